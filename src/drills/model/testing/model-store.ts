/**
 * Correct histories: a store that is right by construction, asked by concurrent clients in a random interleaving.
 * Answers are lost before or after the effect or long before a late one, servers lag behind, watches break and go on
 * elsewhere. Whatever it makes, a checker must have nothing to say.
 */
import type {
  Contents,
  Freshness,
  History,
  Operation,
  OperationRecord,
  Outcome,
  Stored,
  StoreEvent,
  StoreHistory,
  TxnStep,
  WatchEventItem,
  WatchItem,
  WatchRecord,
  WatchStart,
} from '../history.ts';
import { selectorOf } from '../lists.ts';
import { SeededRandom } from '../random.ts';
import { comparesHold, effectOf, isWrite, sameContents } from '../semantics.ts';
import { lastRevisionOf } from '../watch-validator.ts';

export interface ModelOptions {
  seed: number;
  steps: number;
  /** What answers tell: etcd's have revisions, previous values and batches, Kubernetes' have uids. */
  style: 'etcd' | 'kubernetes';
  clients?: number;
  keys?: number;
}

export interface Recorded {
  history: History;
  truth: StoreHistory;
}

const prefix = 'maps/';

export function correctHistory(options: ModelOptions): Recorded {
  const model = new Model(options);
  for (let i = 0; i < options.steps; i++) model.step();
  return model.finish();
}

interface Pending {
  client: string;
  server: string;
  invoked: number;
  operation: Operation;
  outcome?: Outcome;
  fate: 'answered' | 'lost' | 'refused';
}

interface Stream {
  id: number;
  server: string;
  labelSelector: string | undefined;
  start: WatchStart;
  resumes: number | undefined;
  invoked: number;
  items: WatchItem[];
  /** Everything up to it was told. */
  position: number;
  batch: number;
  isInitialPending: boolean;
}

class Model {
  #random: SeededRandom;
  #style: ModelOptions['style'];
  #clients: string[];
  #keys: string[];
  #servers = new Map([
    ['server1', 1],
    ['server2', 1],
    ['server3', 1],
  ]);
  #time = 0;
  #revision = 1;
  #state = new Map<string, Stored>();
  #past: Map<string, Stored>[] = [new Map(), new Map()];
  #events: StoreEvent[] = [];
  #changes: { revision: number; key: string; before: Stored | undefined; after: Stored | undefined }[] = [];
  #pending = new Map<string, Pending>();
  /** Given up by their clients, not yet arrived. */
  #late: Operation[] = [];
  /** A list whose next page a client will ask for. */
  #lists = new Map<
    string,
    { operation: Extract<Operation, { type: 'list' }>; revision: number; after: string; id: number }
  >();
  #operations: OperationRecord[] = [];
  #open: Stream[] = [];
  #watches: WatchRecord[] = [];
  #ids = 0;
  #tokens = 0;

  constructor({ seed, style, clients = 5, keys = 6 }: ModelOptions) {
    this.#random = new SeededRandom(seed);
    this.#style = style;
    this.#clients = Array.from({ length: clients }, (_, i) => `client${i}`);
    this.#keys = Array.from({ length: keys }, (_, i) => `${prefix}${String.fromCharCode(97 + (i % 26))}${i}`);
  }

  step(): void {
    if (this.#random.chance(0.7)) this.#time += this.#random.below(3);
    const what = this.#random.choose({ invoke: 6, effect: 6, answer: 6, late: 0.3, server: 6, watch: 5, foreign: 0.3 });
    if (what === 'invoke') this.#invoke();
    else if (what === 'effect') this.#effect();
    else if (what === 'answer') this.#answer();
    else if (what === 'late') this.#arriveLate();
    else if (what === 'server') this.#advance(this.#random.pick([...this.#servers.keys()]));
    else if (what === 'watch') this.#watch();
    else this.#commit([{ key: `others/${this.#random.below(3)}`, contents: this.#contents() }]);
  }

  finish(): Recorded {
    while (this.#pending.size > 0) {
      this.#time++;
      this.#effect();
      this.#answer();
    }
    for (const server of this.#servers.keys()) if (this.#random.chance(0.8)) this.#servers.set(server, this.#revision);
    for (const stream of this.#open) {
      for (let i = 0; i < 1000 && this.#deliver(stream); i++) this.#time++;
      this.#close(stream);
    }
    const history = { operations: this.#operations, watches: this.#watches };
    return { history, truth: { since: 1, until: this.#revision, events: this.#events } };
  }

  // ---- Operations

  #invoke(): void {
    const idle = this.#clients.filter((c) => !this.#pending.has(c));
    if (idle.length === 0) return;
    const client = this.#random.pick(idle);
    const operation = this.#nextPage(client) ?? this.#operation();
    const fate = this.#random.choose({ answered: 20, lost: isWrite(operation) ? 2 : 0.5, refused: 0.5 });
    const server = this.#random.pick([...this.#servers.keys()]);
    this.#pending.set(client, { client, server, invoked: this.#time, operation, fate });
  }

  #effect(): void {
    const waiting = [...this.#pending.values()].filter((p) => !p.outcome);
    if (waiting.length === 0) return;
    const pending = this.#random.pick(waiting);
    if (pending.fate === 'refused') pending.outcome = { type: 'failed', reason: 'refused' };
    else if (pending.fate === 'lost' && this.#random.chance(0.5)) {
      pending.outcome = { type: 'unknown' };
      if (this.#random.chance(0.5)) this.#late.push(pending.operation);
    } else {
      const outcome = this.#perform(pending.operation, pending.server);
      pending.outcome = pending.fate === 'lost' ? { type: 'unknown' } : outcome;
    }
  }

  #answer(): void {
    const done = [...this.#pending.values()].filter((p) => p.outcome);
    if (done.length === 0) return;
    const { client, server, invoked, operation, outcome } = this.#random.pick(done);
    this.#pending.delete(client);
    const id = ++this.#ids;
    const isSilent = outcome!.type === 'unknown' && this.#random.chance(0.5);
    this.#operations.push({
      id,
      client,
      ...(this.#random.chance(0.8) && { server }),
      invoked,
      ...(!isSilent && { returned: this.#time }),
      operation,
      outcome: outcome!,
    });
    if (operation.type === 'list' && outcome!.type === 'ok' && outcome!.more) {
      const { revision = 0, objects = [] } = outcome!;
      this.#lists.set(client, { operation, revision, after: objects.at(-1)!.key, id });
    }
  }

  #arriveLate(): void {
    const operation = this.#late.splice(this.#random.below(this.#late.length || 1), 1)[0];
    if (operation) this.#perform(operation, 'server1');
  }

  #operation(): Operation {
    const key = this.#random.pick(this.#keys);
    const there = this.#glimpse(key);
    const guard = there && this.#random.chance(0.8) ? { revision: there.revision } : {};
    const uid = there?.uid !== undefined && this.#random.chance(0.3) ? { uid: there.uid } : {};
    const types = { get: 5, list: 3, create: 3, update: 4, patch: 2, delete: 2, put: 0, txn: 0 };
    const more = this.#style === 'etcd' ? { put: 2, txn: 2, patch: 0 } : {};
    switch (this.#random.choose({ ...types, ...more })) {
      case 'get':
        return { type: 'get', key, freshness: this.#freshness() };
      case 'list': {
        const limit = this.#random.chance(0.4) ? { limit: 1 + this.#random.below(4) } : {};
        const labelSelector = this.#selector();
        const freshness = this.#freshness();
        return { type: 'list', prefix, freshness, ...limit, ...(labelSelector !== undefined && { labelSelector }) };
      }
      case 'create':
        return { type: 'create', key, contents: this.#contents() };
      case 'update':
        return { type: 'update', key, contents: this.#contents(), ...guard, ...uid };
      case 'patch': {
        const labels = this.#random.chance(0.5) ? { labels: { color: this.#random.pick(['red', 'blue', null]) } } : {};
        // Sometimes only a label: another writer may have had the same wish.
        const data = this.#random.chance(0.8) ? { data: { [this.#random.pick(['a', 'b'])]: this.#token() } } : {};
        return { type: 'patch', key, ...data, ...labels, ...(this.#random.chance(0.2) ? guard : {}) };
      }
      case 'delete':
        return { type: 'delete', key, ...(this.#random.chance(0.3) ? guard : {}), ...uid };
      case 'put':
        return { type: 'put', key, contents: this.#contents() };
      default:
        return this.#txn();
    }
  }

  #txn(): Operation {
    const [a, b, c] = [...this.#keys].sort(() => this.#random.next() - 0.5);
    const revisionOf = (key: string) => (this.#random.chance(0.9) ? (this.#glimpse(key)?.revision ?? 0) : 0);
    const compare = [a!, b!].filter(() => this.#random.chance(0.6)).map((key) => ({ key, revision: revisionOf(key) }));
    const step = (key: string): TxnStep => {
      const type = this.#random.choose({ put: 4, delete: 1, get: 1 });
      return type === 'put' ? { type, key, contents: this.#contents() } : { type, key };
    };
    const failure: TxnStep[] = this.#random.chance(0.5) ? [{ type: 'get', key: a! }] : [step(c!)];
    return {
      type: 'txn',
      compare,
      success: [step(a!), step(b!), ...(this.#random.chance(0.5) ? [step(c!)] : [])],
      failure,
    };
  }

  /** What the store does and answers. */
  #perform(operation: Operation, server: string): Outcome {
    if (!isWrite(operation)) return this.#read(operation, server);
    const lookup = (key: string) => this.#state.get(key);
    const effect = effectOf(operation, lookup);
    if (effect.type === 'failed') return { type: 'failed', reason: effect.reason };
    const key = operation.type === 'txn' ? undefined : (operation as { key: string }).key;
    const previous = key === undefined ? undefined : (lookup(key) ?? null);
    if (operation.type === 'txn') {
      const succeeded = comparesHold(operation.compare, lookup);
      const steps = succeeded ? operation.success : operation.failure;
      const found = steps.filter((s) => s.type === 'get').map((s) => lookup(s.key) ?? null);
      if (effect.changes.length > 0) this.#commit(effect.changes);
      return { type: 'ok', succeeded, revision: this.#revision, found };
    }
    const isIdle =
      this.#style === 'kubernetes' && effect.changes.every((c) => sameContents(c.contents, lookup(c.key)?.contents));
    if (!isIdle) this.#commit(effect.changes);
    if (this.#style === 'etcd') return { type: 'ok', revision: this.#revision, previous: previous! };
    if (operation.type !== 'delete') return { type: 'ok', revision: lookup(key!)!.revision, object: lookup(key!)! };
    return this.#random.chance(0.7) ? { type: 'ok', uid: previous!.uid! } : { type: 'ok' };
  }

  #read(operation: Operation, server: string): Outcome {
    if (operation.type !== 'get' && operation.type !== 'list') throw new Error('not a read');
    const { freshness } = operation;
    let revision = this.#revision;
    const applied = this.#servers.get(server)!;
    if (freshness === 'any') revision = applied;
    else if (typeof freshness === 'object' && 'exact' in freshness) revision = freshness.exact;
    else if (typeof freshness === 'object') {
      revision = Math.max(applied, freshness.atLeast);
      this.#servers.set(server, revision);
    }
    const state = this.#past[revision]!;
    if (operation.type === 'get') {
      const object = state.get(operation.key) ?? null;
      if (this.#style === 'etcd') return { type: 'ok', object, revision };
      return object || this.#random.chance(0.5) ? { type: 'ok', object } : { type: 'failed', reason: 'absent' };
    }
    const { limit = Infinity, continues } = operation;
    const list = [...this.#lists.values()].find((l) => l.id === continues);
    const matches = selectorOf(operation.labelSelector);
    const all = [...state.values()]
      .filter((o) => o.key.startsWith(prefix) && matches(o) && (!list || o.key > list.after))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    return { type: 'ok', revision, objects: all.slice(0, limit), more: all.length > limit };
  }

  #nextPage(client: string): Operation | undefined {
    const list = this.#lists.get(client);
    if (!list) return undefined;
    if (this.#random.chance(0.1)) {
      this.#lists.delete(client);
      return undefined;
    }
    return { ...list.operation, freshness: { exact: list.revision }, continues: list.id };
  }

  #commit(changes: readonly { key: string; contents: Contents | null }[]): void {
    const revision = ++this.#revision;
    for (const { key, contents } of changes) {
      const before = this.#state.get(key);
      const birth =
        this.#style === 'etcd'
          ? { created: before?.created ?? revision }
          : { uid: before?.uid ?? `uid${++this.#tokens}` };
      this.#events.push({ revision, key, contents, ...(contents && birth) });
      const after = contents ? { key, revision, contents, ...birth } : undefined;
      if (after) this.#state.set(key, after);
      else this.#state.delete(key);
      this.#changes.push({ revision, key, before, after });
    }
    this.#past[revision] = new Map(this.#state);
  }

  #glimpse(key: string): Stored | undefined {
    return this.#past[Math.max(1, this.#revision - this.#random.below(4))]!.get(key);
  }

  #freshness(): Freshness {
    const old = () => Math.max(1, this.#revision - this.#random.below(10));
    switch (this.#random.choose({ consistent: 6, any: 2, atLeast: 1, exact: 1 })) {
      case 'consistent':
        return 'consistent';
      case 'any':
        return 'any';
      case 'atLeast':
        return { atLeast: old() };
      default:
        return { exact: old() };
    }
  }

  #selector(): string | undefined {
    return this.#random.pick([undefined, undefined, 'color=red', 'color!=red']);
  }

  #contents(): Contents {
    const color = this.#random.pick(['red', 'blue', undefined]);
    return { data: { token: this.#token() }, ...(color !== undefined && { labels: { color } }) };
  }

  #token(): string {
    return `t${++this.#tokens}`;
  }

  // ---- Servers and watches

  #advance(server: string): void {
    const applied = this.#servers.get(server)!;
    if (applied < this.#revision) this.#servers.set(server, applied + 1 + this.#random.below(this.#revision - applied));
  }

  #watch(): void {
    const what = this.#random.choose({ open: 1, deliver: 12, bookmark: 2, cut: 1, end: 0.3 });
    if (what === 'open' && this.#open.length < 6) {
      const initial = this.#random.pick(['consistent', 'any', { atLeast: this.#revision }] as const);
      const after = { after: Math.max(1, this.#revision - this.#random.below(6)) };
      this.#openWatch(this.#random.chance(0.3) ? { initial } : after, this.#selector(), undefined);
      return;
    }
    if (this.#open.length === 0) return;
    const stream = this.#random.pick(this.#open);
    if (what === 'deliver') this.#deliver(stream);
    else if (what === 'bookmark') this.#bookmark(stream);
    else {
      this.#close(stream);
      this.#open.splice(this.#open.indexOf(stream), 1);
      const last = lastRevisionOf(this.#watches.at(-1)!);
      if (what === 'cut' && last !== undefined) this.#openWatch({ after: last }, stream.labelSelector, stream.id);
    }
  }

  #openWatch(start: WatchStart, labelSelector: string | undefined, resumes: number | undefined): void {
    const server = this.#random.pick([...this.#servers.keys()]);
    const isInitialPending = 'initial' in start;
    if ('initial' in start && start.initial !== 'any') {
      // The server catches up first; what a later deliver() tells is at least as new.
      this.#servers.set(server, this.#revision);
    }
    const position = 'after' in start ? start.after : 0;
    const common = { id: ++this.#ids, server, labelSelector, start, resumes, invoked: this.#time };
    this.#open.push({ ...common, items: [], position, batch: 0, isInitialPending });
  }

  /** Tells the next revision, if the server has it. */
  #deliver(stream: Stream): boolean {
    const applied = this.#servers.get(stream.server)!;
    const at = this.#time;
    const matches = selectorOf(stream.labelSelector);
    if (stream.isInitialPending) {
      for (const o of this.#past[applied]!.values()) {
        if (!o.key.startsWith(prefix) || !matches(o)) continue;
        const { key, revision, contents } = o;
        stream.items.push({ type: 'ADDED', at, key, revision, contents, ...birthOf(o) });
      }
      stream.items.push({ type: 'BOOKMARK', at, revision: applied, isInitialEnd: true });
      stream.position = applied;
      stream.isInitialPending = false;
      return true;
    }
    if (stream.position >= applied) return false;
    stream.position++;
    stream.batch++;
    for (const change of this.#changes) {
      if (change.revision !== stream.position || !change.key.startsWith(prefix)) continue;
      const was = change.before !== undefined && matches(change.before);
      const is = change.after !== undefined && matches(change.after);
      if (!was && !is) continue;
      const shown = is ? change.after! : change.before!;
      stream.items.push({
        type: is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED',
        at,
        key: change.key,
        revision: change.revision,
        contents: shown.contents,
        ...birthOf(shown),
        ...(this.#style === 'etcd' && { previous: change.before ?? null, batch: stream.batch }),
      } satisfies WatchEventItem);
    }
    return true;
  }

  #bookmark(stream: Stream): void {
    if (stream.isInitialPending) return;
    stream.items.push({ type: 'BOOKMARK', at: this.#time, revision: stream.position });
  }

  #close(stream: Stream): void {
    const { id, server, labelSelector, start, resumes, invoked, items } = stream;
    if (this.#random.chance(0.1)) items.push({ type: 'ERROR', at: this.#time, reason: 'other' });
    this.#watches.push({
      id,
      client: `watcher${id}`,
      server,
      prefix,
      ...(labelSelector !== undefined && { labelSelector }),
      start,
      ...(resumes !== undefined && { resumes }),
      invoked,
      ended: this.#time,
      items,
    });
  }
}

function birthOf({ uid, created }: Stored): { uid?: string; created?: number } {
  return { ...(uid !== undefined && { uid }), ...(created !== undefined && { created }) };
}
