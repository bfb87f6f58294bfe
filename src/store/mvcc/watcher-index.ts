/**
 * Which watchers does a key concern? Single keys are looked up; ranges stand in an array ordered by start, over which a
 * tree of the greatest ends lets a lookup skip what ends too early. So an event costs what it concerns, not all watchers.
 */
import type { KeyRange } from './kv-store.ts';

export class WatcherIndex<W extends { readonly range: KeyRange }> {
  readonly #byKey = new Map<string, Set<W>>();
  readonly #ranged = new Set<W>();
  /** Rebuilt before the next lookup after a change. */
  #sorted: W[] | undefined;
  /** #greatestEnd[node] is the greatest end under that node of the implicit tree; null: without end. */
  #greatestEnd: (string | null)[] = [];

  add(watcher: W): void {
    if (watcher.range.end !== undefined) {
      this.#ranged.add(watcher);
      this.#sorted = undefined;
      return;
    }
    const same = this.#byKey.get(watcher.range.key);
    if (same) same.add(watcher);
    else this.#byKey.set(watcher.range.key, new Set([watcher]));
  }

  delete(watcher: W): void {
    if (watcher.range.end !== undefined) {
      if (this.#ranged.delete(watcher)) this.#sorted = undefined;
      return;
    }
    const same = this.#byKey.get(watcher.range.key);
    same?.delete(watcher);
    if (same?.size === 0) this.#byKey.delete(watcher.range.key);
  }

  /** Appends to `out`, in no order. */
  find(key: string, out: W[]): void {
    const same = this.#byKey.get(key);
    if (same) for (const watcher of same) out.push(watcher);
    if (this.#ranged.size === 0) return;
    const sorted = this.#sorted ?? this.#build();
    this.#search(sorted, 0, sorted.length, key, out);
  }

  /** The node of [from, to) is its middle element; halves are its children. */
  #search(sorted: W[], from: number, to: number, key: string, out: W[]): void {
    if (from >= to) return;
    const middle = (from + to) >> 1;
    const greatest = this.#greatestEnd[middle]!;
    if (greatest !== null && greatest <= key) return;
    this.#search(sorted, from, middle, key, out);
    const watcher = sorted[middle]!;
    if (watcher.range.key > key) return;
    if (watcher.range.end === null || watcher.range.end! > key) out.push(watcher);
    this.#search(sorted, middle + 1, to, key, out);
  }

  #build(): W[] {
    const sorted = [...this.#ranged].sort((a, b) => (a.range.key < b.range.key ? -1 : 1));
    this.#greatestEnd = new Array(sorted.length).fill('');
    this.#fill(sorted, 0, sorted.length);
    this.#sorted = sorted;
    return sorted;
  }

  #fill(sorted: W[], from: number, to: number): string | null {
    if (from >= to) return '';
    const middle = (from + to) >> 1;
    const ends = [sorted[middle]!.range.end!, this.#fill(sorted, from, middle), this.#fill(sorted, middle + 1, to)];
    const greatest = ends.includes(null) ? null : ends.sort().at(-1)!;
    this.#greatestEnd[middle] = greatest;
    return greatest;
  }
}
