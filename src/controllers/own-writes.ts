/**
 * What a controller has written under generated names and its informer has not shown yet. Made again before it shows,
 * an object would be there twice, for no name collides. What never shows (it was gone again before the informer looked)
 * lapses.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import { type Informer, objectKey } from '#client/informer.ts';

const lapseMs = 10_000;

export class OwnWrites {
  readonly #clock: Clock;
  /** By the key that is synced, then by the key of the object written. */
  readonly #byOwner = new Map<string, Map<string, { revision: bigint | 'deleted'; at: number }>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wrote(owner: string, object: KubeObject): void {
    this.#note(owner, objectKey(object), BigInt(object.metadata.resourceVersion ?? 0));
  }

  deleted(owner: string, object: KubeObject): void {
    this.#note(owner, objectKey(object), 'deleted');
  }

  /** The informer shows all that was written for this owner, or something newer. */
  areShown(owner: string, informer: Informer<KubeObject>): boolean {
    const pending = this.#byOwner.get(owner);
    if (!pending) return true;
    for (const [key, { revision, at }] of pending) {
      const shown = informer.get(key);
      const isShown =
        revision === 'deleted' ? !shown : shown && BigInt(shown.metadata.resourceVersion ?? 0) >= revision;
      if (isShown || this.#clock.monotonic() - at > lapseMs) pending.delete(key);
    }
    if (pending.size === 0) this.#byOwner.delete(owner);
    return pending.size === 0;
  }

  forget(owner: string): void {
    this.#byOwner.delete(owner);
  }

  #note(owner: string, key: string, revision: bigint | 'deleted'): void {
    const pending = this.#byOwner.get(owner) ?? new Map();
    this.#byOwner.set(owner, pending);
    pending.set(key, { revision, at: this.#clock.monotonic() });
  }
}

export const ownWritesLapseMs = lapseMs;
