/**
 * The history of one key: its generations, from creation to deletion. Revisions are kept as flat pairs (main, sub).
 *
 * Example: put at 2, put at 5, deleted at 7, put at 9:
 *     generation 0: created 2, version 3, [2.0, 5.0, 7.0 (tombstone)]
 *     generation 1: created 9, version 1, [9.0]
 * At revision 6 the key is what 5.0 wrote, version 2; at 7 and 8 it does not exist.
 * After compact(6) generation 0 is [5.0, 7.0]; after compact(7) it is [7.0], for a watch may still begin at 7; after
 * compact(8) it is gone.
 */
interface Generation {
  created: number;
  /** Changes since its creation, the tombstone included: the version after the last of `revisions`. */
  version: number;
  revisions: number[];
}

/** Where a key's state at some revision was written. */
export interface Found {
  main: number;
  sub: number;
  createRevision: number;
  version: number;
}

export class KeyIndex {
  /** Latin-1: a char per byte, so that comparing strings compares bytes. */
  readonly key: string;
  /** Of the current value. */
  lease = 0n;
  #generations: Generation[] = [];
  /** The last generation ends with a tombstone, or there is none. */
  #isDeleted = true;

  constructor(key: string) {
    this.key = key;
  }

  /** Returns createRevision and version of what is now written. */
  put(main: number, sub: number): Found {
    let generation = this.#generations.at(-1);
    if (!generation || this.#isDeleted) {
      generation = { created: main, version: 0, revisions: [] };
      this.#generations.push(generation);
      this.#isDeleted = false;
    }
    generation.version++;
    generation.revisions.push(main, sub);
    return { main, sub, createRevision: generation.created, version: generation.version };
  }

  tombstone(main: number, sub: number): void {
    const generation = this.#generations.at(-1)!;
    generation.version++;
    generation.revisions.push(main, sub);
    this.#isDeleted = true;
  }

  /** Rebuilds from stored rows, which a compaction may have thinned: the row knows its creation and version. */
  restore(main: number, sub: number, createRevision: number, version: number): void {
    if (version === 0) {
      // Of a generation whose other rows are compacted the tombstone may be left.
      if (this.#isDeleted) this.#generations.push({ created: main, version: 0, revisions: [] });
      this.tombstone(main, sub);
      return;
    }
    this.put(main, sub);
    const generation = this.#generations.at(-1)!;
    generation.created = createRevision;
    generation.version = version;
  }

  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** Nothing of the key is left: it can leave the index. */
  get isEmpty(): boolean {
    return this.#generations.length === 0;
  }

  current(): Found | undefined {
    if (this.#isDeleted) return undefined;
    const { created, version, revisions } = this.#generations.at(-1)!;
    const at = revisions.length - 2;
    return { main: revisions[at]!, sub: revisions[at + 1]!, createRevision: created, version };
  }

  /** The state at a revision, or just before the change `main.sub`: see `before`. */
  at(revision: number): Found | undefined {
    return this.#last((main) => main <= revision);
  }

  before(main: number, sub: number): Found | undefined {
    return this.#last((m, s) => m < main || (m === main && s < sub));
  }

  #last(isIncluded: (main: number, sub: number) => boolean): Found | undefined {
    for (let g = this.#generations.length - 1; g >= 0; g--) {
      const { created, version, revisions } = this.#generations[g]!;
      const last = revisions.length - 2;
      for (let i = last; i >= 0; i -= 2) {
        const [main, sub] = [revisions[i]!, revisions[i + 1]!];
        if (!isIncluded(main, sub)) continue;
        const isTombstone = i === last && (g < this.#generations.length - 1 || this.#isDeleted);
        if (isTombstone) return undefined;
        return { main, sub, createRevision: created, version: version - (last - i) / 2 };
      }
    }
    return undefined;
  }

  /** Forgets what nobody can ask for when `revision` is the oldest that may be read; calls `drop` for each row. */
  compact(revision: number, drop: (main: number, sub: number) => void): void {
    const keep: Generation[] = [];
    const lastIndex = this.#generations.length - 1;
    this.#generations.forEach((generation, g) => {
      const { revisions } = generation;
      const isEnded = g < lastIndex || this.#isDeleted;
      // The first row that is kept: the newest one at or before the revision, unless it is a tombstone before it.
      let first = 0;
      while (first + 2 < revisions.length && revisions[first + 2]! <= revision) first += 2;
      const isGone = isEnded && first === revisions.length - 2 && revisions[first]! < revision;
      if (isGone) first = revisions.length;
      for (let i = 0; i < first; i += 2) drop(revisions[i]!, revisions[i + 1]!);
      if (isGone) return;
      if (first > 0) generation.revisions = revisions.slice(first);
      keep.push(generation);
    });
    this.#generations = keep;
    if (keep.length === 0) this.#isDeleted = true;
  }

  /** Something for compact() to do. */
  get hasHistory(): boolean {
    return this.#generations.length > 1 || this.#isDeleted || (this.#generations[0]?.revisions.length ?? 0) > 2;
  }
}
