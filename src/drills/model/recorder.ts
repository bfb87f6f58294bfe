/**
 * Concurrent clients and watchers against a target, everything they ask and hear written down. The same seed asks for
 * the same things; what comes of them is the target's doing.
 */
import { type Clock, sleep } from '#base/clock.ts';
import type {
  History,
  Operation,
  OperationRecord,
  Outcome,
  Stored,
  WatchItem,
  WatchRecord,
  WatchStart,
} from './history.ts';
import { selectorOf } from './lists.ts';
import { SeededRandom } from './random.ts';
import type { Target, TargetServer, TargetSink } from './target.ts';
import { lastRevisionOf } from './watch-validator.ts';
import { colors, Workload } from './workload.ts';

export interface RecorderOptions {
  target: Target;
  seed: number;
  clock: Clock;
  /** Default 6. */
  clients?: number;
  /** Default 4. */
  watchers?: number;
  /** Default 10. */
  keys?: number;
  /** Between two requests of a client, at most. Default 10 ms. */
  pauseMs?: number;
  /** How long a watcher stays with a stream before it tries another server, about. Default 1.5 s. */
  patienceMs?: number;
  /** How long the end waits for each watch to have seen the last writes. Default 15 s. */
  settleMs?: number;
}

const settleMsDefault = 15_000;
/** After this long without an event although there was one, a watch counts as silent: less than the wait above. */
export const silenceMaxMs = 10_000;
const retryMs = 50;
/** Of one recording; with it the memory is bounded. */
const operationsMax = 500_000;

/** Records until `signal` aborts; then writes two last objects that every watch must see, and waits for that. */
export async function record(options: RecorderOptions, signal: AbortSignal): Promise<History> {
  const recorder = new Recorder(options);
  return recorder.run(signal);
}

class Recorder {
  #target: Target;
  #clock: Clock;
  #random: SeededRandom;
  #options: Required<Omit<RecorderOptions, 'target' | 'clock' | 'seed'>>;
  #keys: string[];
  #operations: OperationRecord[] = [];
  #watches: WatchRecord[] = [];
  #ids = 0;
  /** Set once they are written: every watch must see those it selects. */
  #last: Stored[] | undefined;
  /** Of the streams under way: whether they have. */
  #checkEnd = new Set<() => void>();
  #settled = new AbortController();

  constructor({ target, seed, clock, ...options }: RecorderOptions) {
    this.#target = target;
    this.#clock = clock;
    this.#random = new SeededRandom(seed);
    const defaults = { clients: 6, watchers: 4, keys: 10, pauseMs: 10, patienceMs: 1500, settleMs: settleMsDefault };
    this.#options = { ...defaults, ...options };
    this.#keys = Array.from(
      { length: this.#options.keys },
      (_, i) => `${target.prefix}object-${String(i).padStart(3, '0')}`,
    );
  }

  async run(signal: AbortSignal): Promise<History> {
    const { clients, watchers } = this.#options;
    const writing = Array.from({ length: clients }, (_, i) => this.#client(`client${i}`, this.#random.fork(), signal));
    const watching = Array.from({ length: watchers }, (_, i) =>
      this.#watcher(`watcher${i}`, this.#random.fork(), signal),
    );
    await Promise.all(writing);
    this.#last = await this.#writeLast();
    for (const checkEnd of this.#checkEnd) checkEnd();
    const timer = this.#clock.setTimer(this.#options.settleMs, () => this.#settled.abort());
    await Promise.all(watching);
    timer.cancel();
    return { operations: this.#operations, watches: this.#watches };
  }

  async #client(name: string, random: SeededRandom, signal: AbortSignal): Promise<void> {
    const workload = new Workload(name, this.#target.prefix, this.#keys, this.#target.offers, random);
    while (!signal.aborted && this.#operations.length < operationsMax) {
      const operation = workload.next();
      const { id, outcome } = await this.#ask(name, operation, random.pick(this.#target.servers));
      workload.learn(id, operation, outcome);
      const isDown = outcome.type === 'unknown' || (outcome.type === 'failed' && outcome.reason === 'refused');
      await sleep(this.#clock, isDown ? retryMs : random.next() * this.#options.pauseMs, signal);
    }
  }

  async #ask(client: string, operation: Operation, server: TargetServer): Promise<{ id: number; outcome: Outcome }> {
    const id = ++this.#ids;
    const { name } = server;
    const invoked = this.#clock.monotonic();
    const outcome = await this.#target.perform(operation, server, client);
    const returned = this.#clock.monotonic();
    // One that was started anew meanwhile has another name: nobody knows which of the two answered.
    const isKnown = !server.isBalancer && server.name === name;
    this.#operations.push({ id, client, ...(isKnown && { server: name }), invoked, returned, operation, outcome });
    return { id, outcome };
  }

  /** One of each kind that a selector can ask for. */
  async #writeLast(): Promise<Stored[]> {
    const random = this.#random.fork();
    const workload = new Workload('last', this.#target.prefix, this.#keys, this.#target.offers, random);
    const written: Stored[] = [];
    const deadline = this.#clock.monotonic() + this.#options.settleMs;
    for (const color of colors) {
      for (let attempt = 0; this.#clock.monotonic() < deadline; attempt++) {
        const key = `${this.#target.prefix}last-${color}-${attempt}`;
        const contents = workload.contents(color);
        const operation: Operation = { type: 'create', key, contents };
        const { outcome } = await this.#ask('last', operation, random.pick(this.#target.servers));
        if (outcome.type === 'ok') {
          written.push({ key, contents, revision: outcome.revision! });
          break;
        }
        await sleep(this.#clock, retryMs);
      }
    }
    return written;
  }

  #hasSeenLast(items: readonly WatchItem[], labelSelector: string | undefined): boolean {
    if (!this.#last) return false;
    const matches = selectorOf(labelSelector);
    const last = Math.max(0, ...this.#last.filter(matches).map(({ revision }) => revision));
    return items.some((item) => item.type !== 'ERROR' && item.revision >= last);
  }

  /** Watches, is cut off or hangs up, and goes on elsewhere; ends when it has seen the last writes. */
  async #watcher(name: string, random: SeededRandom, signal: AbortSignal): Promise<void> {
    const workload = new Workload(name, this.#target.prefix, this.#keys, this.#target.offers, random);
    let before: WatchRecord | undefined;
    let labelSelector: string | undefined;
    while (!this.#settled.signal.aborted) {
      const last: number | undefined = before && lastRevisionOf(before);
      const wasExpired = before?.items.some((item) => item.type === 'ERROR' && item.reason === 'expired');
      let start: WatchStart;
      let resumes: number | undefined;
      if (before && last !== undefined && !wasExpired && (signal.aborted || random.chance(0.9))) {
        start = { after: last };
        resumes = before.id;
      } else {
        labelSelector = workload.selector();
        if (!this.#target.offers.initialEvents || random.chance(0.5)) {
          await this.#list(name, workload, random, labelSelector);
        }
        start = workload.watchStart();
        if ('initial' in start && !this.#target.offers.initialEvents) continue;
      }
      const watch = await this.#stream(name, random, signal, labelSelector, start, resumes);
      this.#watches.push(watch);
      before = watch;
      if (this.#hasSeenLast(watch.items, labelSelector)) return;
      await sleep(this.#clock, retryMs, this.#settled.signal);
    }
  }

  async #list(client: string, workload: Workload, random: SeededRandom, labelSelector?: string): Promise<void> {
    const operation: Operation = {
      type: 'list',
      prefix: this.#target.prefix,
      freshness: 'consistent',
      ...(labelSelector !== undefined && { labelSelector }),
    };
    const { id, outcome } = await this.#ask(client, operation, random.pick(this.#target.servers));
    workload.learn(id, operation, outcome);
    if (outcome.type !== 'ok') await sleep(this.#clock, retryMs, this.#settled.signal);
  }

  async #stream(
    client: string,
    random: SeededRandom,
    signal: AbortSignal,
    labelSelector: string | undefined,
    start: WatchStart,
    resumes: number | undefined,
  ): Promise<WatchRecord> {
    const server = random.pick(this.#target.servers);
    const { prefix } = this.#target;
    const items: WatchItem[] = [];
    const hangUp = new AbortController();
    const end = () => hangUp.abort();
    const checkEnd = () => {
      if (this.#hasSeenLast(items, labelSelector)) end();
    };
    this.#settled.signal.addEventListener('abort', end, { once: true });
    this.#checkEnd.add(checkEnd);
    // Near the end nobody hangs up any more: then it is the server's to be silent or not.
    const patience = this.#clock.setTimer(this.#options.patienceMs * (0.2 + 2 * random.next()), () => {
      if (!signal.aborted) end();
    });
    const add = (item: WatchItem) => {
      if (hangUp.signal.aborted) return;
      items.push(item);
      if (this.#last) checkEnd();
    };
    const now = () => this.#clock.monotonic();
    const id = ++this.#ids;
    const invoked = now();
    const sink: TargetSink = {
      event: (event) => add({ ...event, at: now() }),
      bookmark: (revision, isInitialEnd) =>
        add({ type: 'BOOKMARK', at: now(), revision, ...(isInitialEnd && { isInitialEnd }) }),
      error: (reason, message) => add({ type: 'ERROR', at: now(), reason, message }),
    };
    const request = { prefix, start, ...(labelSelector !== undefined && { labelSelector }) };
    await this.#target.watch(request, server, client, sink, hangUp.signal);
    end();
    patience.cancel();
    this.#settled.signal.removeEventListener('abort', end);
    this.#checkEnd.delete(checkEnd);
    return {
      id,
      client,
      ...(!server.isBalancer && { server: server.name }),
      prefix,
      ...(labelSelector !== undefined && { labelSelector }),
      start,
      ...(resumes !== undefined && { resumes }),
      invoked,
      ended: now(),
      items,
    };
  }
}
