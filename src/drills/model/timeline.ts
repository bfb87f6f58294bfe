/** The store's own account, indexed: what a key was at a revision, what a revision changed. */
import type { Stored, StoreHistory } from './history.ts';

export interface Change {
  readonly revision: number;
  readonly key: string;
  readonly before: Stored | undefined;
  readonly after: Stored | undefined;
}

/** What a key is from `revision` on, until the next version. */
export interface Version {
  readonly revision: number;
  readonly stored: Stored | undefined;
}

export class Timeline {
  readonly since: number;
  readonly until: number;
  /** In the order of revisions. */
  readonly changes: readonly Change[];
  /** The revisions that changed something, ascending. */
  readonly revisions: readonly number[];
  /** Ascending. */
  readonly keys: readonly string[];
  /** What is wrong with the account by itself. */
  readonly faults: readonly { revision: number; key: string; text: string }[];
  #versions = new Map<string, Version[]>();
  #byRevision = new Map<number, Change[]>();

  constructor(history: StoreHistory) {
    this.since = history.since;
    this.until = history.until;
    const changes: Change[] = [];
    const faults: { revision: number; key: string; text: string }[] = [];
    for (const stored of history.initial ?? []) this.#versions.set(stored.key, [{ revision: history.since, stored }]);
    let last = history.since;
    for (const event of history.events) {
      const { revision, key, contents } = event;
      const fault = (text: string) => faults.push({ revision, key, text });
      if (revision < last) fault(`revision ${revision} after revision ${last}`);
      last = Math.max(last, revision);
      if (revision > history.until) fault(`revision ${revision} is beyond the end, ${history.until}`);
      let versions = this.#versions.get(key);
      if (!versions) {
        versions = [];
        this.#versions.set(key, versions);
      }
      const before = versions.at(-1)?.stored;
      const sameRevision = this.#byRevision.get(revision) ?? [];
      if (sameRevision.some((c) => c.key === key)) fault('two changes of one key at one revision');
      if (!before && contents === null) fault('deleted, but there was nothing');
      const after = contents === null ? undefined : storedOf(event, contents);
      const uidFault = after && uidFaultOf(before, after, versions);
      if (uidFault) fault(uidFault);
      const change = { revision, key, before, after };
      changes.push(change);
      versions.push({ revision, stored: after });
      sameRevision.push(change);
      this.#byRevision.set(revision, sameRevision);
    }
    this.changes = changes;
    this.revisions = [...this.#byRevision.keys()].sort((a, b) => a - b);
    this.keys = [...this.#versions.keys()].sort();
    this.faults = faults;
  }

  changesAt(revision: number): readonly Change[] {
    return this.#byRevision.get(revision) ?? [];
  }

  at(key: string, revision: number): Stored | undefined {
    const versions = this.#versions.get(key);
    return versions?.[indexAt(versions, revision)]?.stored;
  }

  /** Ascending; what is before the first is nothing. */
  versionsOf(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  /** The key's versions that hold somewhere in these revisions, each with where it begins and ends. */
  *versionsBetween(key: string, low: number, high: number): Generator<Version & { end: number }> {
    const versions = this.#versions.get(key) ?? [];
    let i = indexAt(versions, low);
    if (i < 0) {
      yield { revision: this.since, stored: undefined, end: (versions[0]?.revision ?? Infinity) - 1 };
      i = 0;
    }
    for (; i < versions.length && versions[i]!.revision <= high; i++) {
      yield { ...versions[i]!, end: (versions[i + 1]?.revision ?? Infinity) - 1 };
    }
  }

  /** Ascending by key. */
  stateAt(prefix: string, revision: number, matches: (stored: Stored) => boolean = () => true): Stored[] {
    const state: Stored[] = [];
    for (
      let i = firstIndex(this.keys.length, (index) => this.keys[index]! >= prefix);
      i < this.keys.length && this.keys[i]!.startsWith(prefix);
      i++
    ) {
      const stored = this.at(this.keys[i]!, revision);
      if (stored && matches(stored)) state.push(stored);
    }
    return state;
  }
}

/** The index of the last version not above the revision; -1: none. */
function indexAt(versions: readonly Version[], revision: number): number {
  return firstIndex(versions.length, (i) => versions[i]!.revision > revision) - 1;
}

function storedOf(event: StoreHistory['events'][number], contents: Stored['contents']): Stored {
  const { key, revision, uid, created } = event;
  return { key, revision, contents, ...(uid !== undefined && { uid }), ...(created !== undefined && { created }) };
}

function uidFaultOf(before: Stored | undefined, after: Stored, versions: readonly Version[]): string | undefined {
  if (before) {
    if (before.uid !== undefined && after.uid !== undefined && before.uid !== after.uid) return 'its uid changed';
    const isOther = before.created !== undefined && after.created !== undefined && before.created !== after.created;
    return isOther ? 'the revision of its creation changed' : undefined;
  }
  if (after.created !== undefined && after.created !== after.revision) {
    return `created here, but it says at revision ${after.created}`;
  }
  const isUsed = after.uid !== undefined && versions.some((v) => v.stored?.uid === after.uid);
  return isUsed ? 'created with the uid of one that was deleted' : undefined;
}

/** Of a condition that holds from some index on: that index. */
export function firstIndex(length: number, isReached: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isReached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
