import type { Fence } from './fence.ts';

/** One write, from its first try until its outcome is known. */
export class Write {
  readonly key: string;
  /** Absent: delete. */
  readonly value: Buffer | undefined;
  /** The mod revision it is based on; 0: the key must not exist. */
  readonly base: number;
  readonly ttlSeconds: number | undefined;
  readonly fence: Fence | undefined;
  /** A revision of the store before the first try: what happened up to it was not us. */
  since = 0;
  /** A try was sent, and its answer will not come. */
  isLost = false;
  /** A try is on its way. */
  isSent = false;
  /** Revisions that other writes of this server made. */
  readonly others = new Set<number>();

  constructor(
    key: string,
    value: Buffer | undefined,
    base: number,
    ttlSeconds: number | undefined,
    fence: Fence | undefined,
  ) {
    this.key = key;
    this.value = value;
    this.base = base;
    this.ttlSeconds = ttlSeconds;
    this.fence = fence;
  }
}

/**
 * The writes of this server whose outcome is not known yet. Two of them may want the very same change: one is applied,
 * the other must be told that it was not. A revision is one write's only, so whoever has it keeps the other from it.
 */
export class WritesUnderWay {
  readonly #byKey = new Map<string, Set<Write>>();
  #newestRevision = 0;

  begin(write: Write, applied: number): void {
    write.since = Math.max(write.base, applied, this.#newestRevision);
    const same = this.#byKey.get(write.key);
    if (same) same.add(write);
    else this.#byKey.set(write.key, new Set([write]));
  }

  end(write: Write): void {
    const same = this.#byKey.get(write.key)!;
    same.delete(write);
    if (same.size === 0) this.#byKey.delete(write.key);
  }

  /** The store says that the write was applied. */
  acknowledge(write: Write, revision: number): void {
    if (revision > this.#newestRevision) this.#newestRevision = revision;
    const same = this.#byKey.get(write.key)!;
    if (same.size === 1) return;
    for (const other of same) if (other !== write) other.others.add(revision);
  }

  /** It looks as if the write was applied. False: wait, a twin's answer will tell. */
  claim(write: Write, revision: number): boolean {
    for (const other of this.#byKey.get(write.key)!) {
      if (other !== write && other.isSent && areTwins(write, other)) return false;
    }
    this.acknowledge(write, revision);
    return true;
  }
}

function areTwins(a: Write, b: Write): boolean {
  if (a.base !== b.base) return false;
  return a.value && b.value ? a.value.equals(b.value) : a.value === b.value;
}
