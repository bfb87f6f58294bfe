/**
 * A store in memory behind the recorder's interface, right unless it is told to be faulty: so that recorder and checker
 * are tried together, on faults of a running server instead of edited histories.
 */
import type { Contents, Operation, Outcome, Stored, StoreEvent, StoreHistory } from '../history.ts';
import { selectorOf } from '../lists.ts';
import { effectOf, isWrite, sameContents } from '../semantics.ts';
import type { Target, TargetOffers, TargetServer, TargetSink, WatchRequest } from '../target.ts';
import type { Rule } from '../violation.ts';

/** Each with what it must be found as. */
export const faults = {
  'loses an acknowledged write': 'lost write',
  'answers reads from a stale copy after a pause': 'stale read',
  'applies a write whose client is told that it failed': 'failed write was applied',
  'does not look at the guard': 'guard did not hold',
  'shows writes that it then gives up': 'state that never was',
  'mixes two revisions in a list': 'list mixes revisions',
  'repeats an event when a watch resumes': 'event before the start',
  'leaves a gap when a watch resumes': 'missed event',
  'bookmarks what it has not told': 'bookmark too early',
  'sends MODIFIED where an object leaves the selector': 'wrong event type',
  'falls silent': 'silent watch',
} as const satisfies Record<string, Rule>;
export type Fault = keyof typeof faults;

interface Change {
  revision: number;
  key: string;
  before: Stored | undefined;
  after: Stored | undefined;
}

/** Every so many occasions the fault strikes. */
const strikeEvery = 7;
const silentAfter = 100;

export class MemoryTarget implements Target {
  readonly prefix = 'memory/';
  readonly servers: readonly TargetServer[] = [{ name: 'one' }, { name: 'two' }];
  readonly offers: TargetOffers = {
    operations: { get: 5, list: 3, create: 3, update: 4, patch: 2, delete: 2 },
    freshness: { consistent: 6, any: 1, exact: 1 },
    selectors: true,
    uids: true,
    initialEvents: true,
  };
  #fault: Fault | undefined;
  #revision = 1;
  #state = new Map<string, Stored>();
  #past = [new Map<string, Stored>(), new Map<string, Stored>()];
  #changes: Change[] = [];
  #events: StoreEvent[] = [];
  #streams = new Set<(change: Change) => void>();
  #occasions = 0;
  #uids = 0;
  #lists = new Map<string, { revision: number; after: string }>();

  constructor(fault?: Fault) {
    this.#fault = fault;
  }

  truth(): StoreHistory {
    return { since: 1, until: this.#revision, events: this.#events };
  }

  async perform(operation: Operation, _at: TargetServer, client: string): Promise<Outcome> {
    await turn();
    const outcome = isWrite(operation) ? this.#write(operation) : this.#read(operation, client);
    await turn();
    return outcome;
  }

  async watch(request: WatchRequest, _at: TargetServer, _client: string, sink: TargetSink, signal: AbortSignal) {
    const { prefix, start } = request;
    const matches = selectorOf(request.labelSelector);
    const tell = (change: Change) => this.#tell(change, prefix, matches, sink);
    if ('initial' in start) {
      for (const [key, stored] of this.#state) {
        if (key.startsWith(prefix) && matches(stored)) sink.event({ type: 'ADDED', ...stored });
      }
      sink.bookmark(this.#revision, true);
    } else {
      const isGap = this.#strikes('leaves a gap when a watch resumes', 2);
      const isRepeat = this.#strikes('repeats an event when a watch resumes', 2);
      const missed = this.#changes.filter((c) => c.revision > start.after - (isRepeat ? 3 : 0));
      for (const change of missed.slice(isGap ? 3 : 0)) tell(change);
    }
    let told = 0;
    const live = (change: Change) => {
      if (this.#strikes('bookmarks what it has not told')) sink.bookmark(change.revision);
      tell(change);
      if (this.#fault !== 'falls silent' && ++told % 2 === 0) sink.bookmark(change.revision);
    };
    this.#streams.add(live);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#streams.delete(live);
  }

  close(): void {}

  #write(operation: Operation): Outcome {
    const lookup = (key: string) => {
      const stored = this.#state.get(key);
      const guard = 'revision' in operation ? operation.revision : undefined;
      return stored && guard !== undefined && this.#strikes('does not look at the guard', 1)
        ? { ...stored, revision: guard }
        : stored;
    };
    const effect = effectOf(operation, lookup);
    if (effect.type === 'failed') return { type: 'failed', reason: effect.reason };
    const { key, contents } = effect.changes[0]!;
    const before = this.#state.get(key);
    if (sameContents(before?.contents, contents)) return { type: 'ok', revision: before!.revision, object: before! };
    if (this.#strikes('loses an acknowledged write')) {
      const object = { key, revision: this.#revision + 1, contents: contents!, uid: 'lost' };
      return contents ? { type: 'ok', revision: object.revision, object } : { type: 'ok', uid: before!.uid! };
    }
    if (contents && this.#strikes('shows writes that it then gives up')) {
      this.#state.set(key, { key, revision: this.#revision + 1, contents, uid: before?.uid ?? 'given-up' });
      setTimeout(() => {
        if (before) this.#state.set(key, before);
        else this.#state.delete(key);
      }, 5);
      return { type: 'unknown' };
    }
    this.#commit(key, contents);
    if (this.#strikes('applies a write whose client is told that it failed'))
      return { type: 'failed', reason: 'refused' };
    if (!contents) return { type: 'ok', uid: before!.uid! };
    return { type: 'ok', revision: this.#revision, object: this.#state.get(key)! };
  }

  #commit(key: string, contents: Contents | null): void {
    const before = this.#state.get(key);
    const uid = before?.uid ?? `uid-${++this.#uids}`;
    const revision = ++this.#revision;
    const after = contents ? { key, revision, contents, uid } : undefined;
    if (after) this.#state.set(key, after);
    else this.#state.delete(key);
    this.#past[revision] = new Map(this.#state);
    this.#events.push({ revision, key, contents, ...(contents && { uid }) });
    const change = { revision, key, before, after };
    this.#changes.push(change);
    for (const stream of [...this.#streams]) stream(change);
  }

  #read(operation: Operation, client: string): Outcome {
    if (operation.type !== 'get' && operation.type !== 'list') throw new Error('not a read');
    const { freshness } = operation;
    let revision = typeof freshness === 'object' && 'exact' in freshness ? freshness.exact : this.#revision;
    if (freshness === 'consistent' && this.#strikes('answers reads from a stale copy after a pause')) {
      revision = Math.max(1, revision - 12);
    }
    const isNow = revision === this.#revision;
    const state = isNow ? this.#state : this.#past[revision]!;
    if (operation.type === 'get') return { type: 'ok', object: state.get(operation.key) ?? null };
    const page = operation.continues === undefined ? undefined : this.#lists.get(client);
    const matches = selectorOf(operation.labelSelector);
    const all = [...state.values()]
      .filter((o) => matches(o) && (page === undefined || o.key > page.after))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const objects = all.slice(0, operation.limit ?? Infinity);
    const more = all.length > objects.length;
    if (more) this.#lists.set(client, { revision, after: objects.at(-1)!.key });
    if (this.#strikes('mixes two revisions in a list', 3)) {
      const other = this.#past[Math.max(1, revision - 15)]!;
      return { type: 'ok', revision, objects: objects.map((o) => other.get(o.key) ?? o), more };
    }
    return { type: 'ok', revision, objects, more };
  }

  #tell(change: Change, prefix: string, matches: (stored: Stored) => boolean, sink: TargetSink): void {
    const { key, revision, before, after } = change;
    if (!key.startsWith(prefix) || (this.#fault === 'falls silent' && revision > silentAfter)) return;
    const was = before !== undefined && matches(before);
    const is = after !== undefined && matches(after);
    if (is) sink.event({ type: was ? 'MODIFIED' : 'ADDED', ...after });
    else if (was && after && this.#strikes('sends MODIFIED where an object leaves the selector', 1)) {
      sink.event({ type: 'MODIFIED', ...after });
    } else if (was) sink.event({ ...before, type: 'DELETED', revision });
  }

  #strikes(fault: Fault, every = strikeEvery): boolean {
    return this.#fault === fault && ++this.#occasions % every === 0;
  }
}

/** Others get their turn: so requests overlap. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
