import type { RequestInfo } from '../request.ts';

/**
 * How many watches a write will be told to: by resource, and by namespace or name where a watch is narrowed to it. A write
 * costs more seats when many are listening.
 */
export class WatchTracker {
  readonly #counts = new Map<string, number>();

  /** Returns what ends it; idempotent. */
  started(info: RequestInfo): () => void {
    const key = keyOf(info, info.namespace, info.name);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = this.#counts.get(key)! - 1;
      if (left === 0) this.#counts.delete(key);
      else this.#counts.set(key, left);
    };
  }

  /** Of a write to what `info` names. */
  interested(info: RequestInfo): number {
    const counts = this.#counts;
    if (counts.size === 0) return 0;
    const at = (namespace: string, name: string) => counts.get(keyOf(info, namespace, name)) ?? 0;
    let total = at('', '');
    if (info.namespace !== '') total += at(info.namespace, '');
    if (info.name !== '') total += at(info.namespace, info.name);
    return total;
  }
}

function keyOf({ group, resource }: RequestInfo, namespace: string, name: string): string {
  return `${group}/${resource}/${namespace}/${name}`;
}
