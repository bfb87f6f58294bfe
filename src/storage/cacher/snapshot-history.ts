import type { EventRing } from './event-ring.ts';
import type { EntryTree } from './resource-cache.ts';

/** Kept states of one resource. A clone shares all nodes with the live tree, so one costs what has changed since. */
const snapshotsMax = 8;

interface Kept {
  tree: EntryTree;
  /** Since the last `settle`. */
  isUsed: boolean;
}

/**
 * Past states of one resource, by the revision of the list that asked. Pages keep the state they began with; any
 * other is made on demand from the live tree by undoing the events since, which costs nothing when nobody asks.
 */
export class SnapshotHistory {
  /** The oldest first. */
  readonly #kept = new Map<number, Kept>();

  /** `undefined`: neither kept nor within the ring's history. */
  at(revision: number, live: EntryTree, ring: EventRing): EntryTree | undefined {
    const kept = this.#kept.get(revision);
    if (kept) {
      kept.isUsed = true;
      return kept.tree;
    }
    if (revision < ring.low) return undefined;
    const first = ring.indexAfter(revision);
    if (first === ring.size) return live;
    const snapshot = live.clone();
    for (let i = ring.size - 1; i >= first; i--) {
      const event = ring.at(i);
      if (event.previous) snapshot.set(event.key, event.previous);
      else snapshot.delete(event.key);
    }
    this.#add(revision, snapshot);
    return snapshot;
  }

  /** `live` is the state at `revision`. */
  keep(revision: number, live: EntryTree): void {
    if (!this.#kept.has(revision)) this.#add(revision, live.clone());
  }

  /** Lets go of what nobody has asked for since this was called last: a page that is never followed by another. */
  settle(): void {
    for (const [revision, kept] of this.#kept) {
      if (kept.isUsed) kept.isUsed = false;
      else this.#kept.delete(revision);
    }
  }

  clear(): void {
    this.#kept.clear();
  }

  #add(revision: number, snapshot: EntryTree): void {
    this.#kept.set(revision, { tree: snapshot, isUsed: true });
    if (this.#kept.size > snapshotsMax) this.#kept.delete(this.#kept.keys().next().value!);
  }
}
