import type { KubeObject } from '#apimachinery/object.ts';
import type { WriteOptions } from '../storage.ts';
import type { EtcdKv, KeyValue } from './kv.ts';

/**
 * The other key a write is bound to (an elected component's Lease): what it holds is checked, and that it still is so
 * is compared inside the write's own transaction. Renewed in between: checked again and tried again.
 */
export class Fence {
  readonly key: string;
  readonly #check: (value: KubeObject | undefined) => void;
  readonly #decode: (key: string, value: Buffer) => KubeObject;
  #revision = 0;

  constructor(fence: NonNullable<WriteOptions['fence']>, decode: (key: string, value: Buffer) => KubeObject) {
    this.key = fence.key;
    this.#check = fence.check;
    this.#decode = decode;
  }

  /** The revision that the transaction has to find. */
  get revision(): number {
    return this.#revision;
  }

  async read(kv: EtcdKv, signal: AbortSignal): Promise<void> {
    this.accept((await kv.range({ key: this.key }, signal)).kvs[0]);
  }

  /** Throws what `check` throws. False: nothing changed since the last look. */
  accept(found: KeyValue | undefined): boolean {
    const revision = found?.modRevision ?? 0;
    const isNew = revision !== this.#revision;
    this.#check(found && this.#decode(found.key, found.value));
    this.#revision = revision;
    return isNew;
  }
}
