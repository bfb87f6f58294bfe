/**
 * A store that is killed again and again under load, and a book of what it said. Writers put, delete, compare and swap,
 * and grant and revoke leases; watchers follow across the kills. After each restart the store's own history since the
 * last look must be: every acknowledged request at its revision, whole; nothing that was refused; what had no answer
 * whole or not at all; and nothing else. Every watcher must have seen exactly that history, in order.
 */
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import { seededRandom } from '#base/testing/seeded-random.ts';
import { createEtcdClient, type EtcdClient, type WatchHandle, type WatchOptions } from '#etcd/client.ts';
import { EtcdError } from '#etcd/etcd-error.ts';
import { type Event, EventType } from '#etcd/key-value.ts';
import { CompareResult, CompareTarget, type RequestOpInit } from '#etcd/messages.ts';
import { realClock } from '#os/real-clock.ts';
import { type OurEtcd, startOurEtcd } from '../etcd-processes.ts';

export interface KillOptions {
  dataDir: string;
  cycles: number;
  writers: number;
  seed: number;
  /** Acknowledged requests before a kill, at least and at most. */
  requestsMin: number;
  requestsMax: number;
  onCycle?: (report: KillReport) => void;
  signal?: AbortSignal;
}

export interface KillReport {
  cycle: number;
  acknowledged: number;
  /** Without an answer: found applied, or not. */
  unansweredApplied: number;
  unansweredLost: number;
  revision: number;
  watchEvents: number;
  /** Empty: the store kept its word. */
  violations: string[];
}

/** What a request would do: keys with their new values; `null` deletes. Values are never used twice. */
type Changes = ReadonlyMap<string, string | null>;

/** More of them say nothing new. */
const violationsMax = 20;
/** History that is kept behind what was looked at. */
const historyRevisions = 500;
const patienceMs = 20_000;
/** For the requests between two kills, and for a start. */
const loadMs = 60_000;

const start = '/k/';
const all: WatchOptions = { key: Buffer.from(start), rangeEnd: Buffer.from('/k0') };

export async function storeUnderKill(options: KillOptions): Promise<KillReport> {
  const listen = [`--listen-client-urls=http://127.0.0.1:${await freePort()}`];
  const book = new Book();
  const random = seededRandom(options.seed);
  const watchers = [
    new Follower('everything', all),
    new Follower('with what was before', { ...all, prevKv: true }),
    new Follower('one writer', { key: Buffer.from('/k/0/'), rangeEnd: Buffer.from('/k/00') }),
    new Follower('what is shared', { key: Buffer.from('/k/shared/'), rangeEnd: Buffer.from('/k/shared0') }),
  ];
  let etcd: OurEtcd | undefined;
  try {
    for (let cycle = 1; cycle <= options.cycles && !options.signal?.aborted; cycle++) {
      etcd = await startOurEtcd(listen, options.dataDir, loadMs);
      const client = createEtcdClient({ endpoints: [etcd.endpoint], clock: realClock, log: silentLogger });
      try {
        await book.check(client, watchers);
        book.report.cycle = cycle;
        options.onCycle?.(book.report);
        if (book.report.violations.length > 0) return book.report;
        const goal = options.requestsMin + Math.floor(random() * (options.requestsMax - options.requestsMin));
        await load(client, book, goal, options.writers, random, etcd);
        if (book.report.violations.length > 0) return book.report;
      } finally {
        client.close();
        for (const watcher of watchers) watcher.stop();
      }
    }
    etcd = await startOurEtcd(listen, options.dataDir, loadMs);
    const client = createEtcdClient({ endpoints: [etcd.endpoint], clock: realClock, log: silentLogger });
    await book.check(client, watchers);
    client.close();
    return book.report;
  } finally {
    await etcd?.end('SIGKILL');
  }
}

/** Writes until enough was acknowledged, then kills, and waits for the writers to notice. */
async function load(
  client: EtcdClient,
  book: Book,
  goal: number,
  writers: number,
  random: () => number,
  etcd: OurEtcd,
): Promise<void> {
  const enough = Promise.withResolvers<void>();
  let isDown = false;
  let count = 0;
  const writer = async (n: number) => {
    const own = new Writer(client, book, n, random);
    while (!isDown) {
      if (!(await own.once())) return;
      if (++count >= goal) enough.resolve();
    }
  };
  const running = Array.from({ length: writers }, (_, n) => writer(n));
  const fail = (what: string) => () => {
    book.violate(what);
    enough.resolve();
  };
  const stalled = setTimeout(fail(`fewer than ${goal} requests were answered in ${loadMs} ms`), loadMs);
  const ended = fail('the store ended by itself');
  etcd.child.once('exit', ended);
  await enough.promise;
  clearTimeout(stalled);
  etcd.child.off('exit', ended);
  await etcd.end('SIGKILL');
  isDown = true;
  await Promise.all(running);
}

let serial = 0;

class Writer {
  readonly #client: EtcdClient;
  readonly #book: Book;
  readonly #n: number;
  readonly #random: () => number;

  constructor(client: EtcdClient, book: Book, n: number, random: () => number) {
    this.#client = client;
    this.#book = book;
    this.#n = n;
    this.#random = random;
  }

  /** One request; false when the store is gone. */
  async once(): Promise<boolean> {
    const kind = this.#random();
    try {
      if (kind < 0.45) await this.#put();
      else if (kind < 0.6) await this.#txn();
      else if (kind < 0.8) await this.#swap();
      else if (kind < 0.9) await this.#delete();
      else await this.#lease();
      return true;
    } catch (error) {
      if (error instanceof EtcdError) return false;
      throw error;
    }
  }

  #key(): string {
    return `${start}${this.#n}/${Math.floor(this.#random() * 20)}`;
  }

  #value(): string {
    return `${++serial}${'x'.repeat(Math.floor(this.#random() * 600))}`;
  }

  #put(): Promise<unknown> {
    const [key, value] = [this.#key(), this.#value()];
    return this.#book.write(new Map([[key, value]]), () =>
      this.#client.put({ key: Buffer.from(key), value: Buffer.from(value) }),
    );
  }

  /** Several keys at once: all of them or none. */
  #txn(): Promise<unknown> {
    const changes = new Map<string, string | null>();
    for (let i = 0; i < 4; i++) changes.set(this.#key(), this.#value());
    const success: RequestOpInit[] = [...changes].map(([key, value]) => ({
      requestPut: { key: Buffer.from(key), value: Buffer.from(value!) },
    }));
    return this.#book.write(changes, () => this.#client.txn({ success }));
  }

  /** On keys that others swap as well: only one of them may have it. */
  async #swap(): Promise<void> {
    const name = `${start}shared/${Math.floor(this.#random() * 3)}`;
    const key = Buffer.from(name);
    const { kvs } = await this.#client.range({ key }, { timeoutMs: patienceMs });
    const modRevision = kvs[0]?.modRevision ?? 0;
    const value = this.#value();
    await this.#book.write(new Map([[name, value]]), () =>
      this.#client.txn({
        compare: [{ key, target: CompareTarget.MOD, result: CompareResult.EQUAL, modRevision }],
        success: [{ requestPut: { key, value: Buffer.from(value) } }],
      }),
    );
  }

  #delete(): Promise<unknown> {
    const key = this.#key();
    return this.#book.write(new Map([[key, null]]), () => this.#client.deleteRange({ key: Buffer.from(key) }));
  }

  /** A key that goes with its lease. */
  async #lease(): Promise<void> {
    const key = `${start}${this.#n}/leased`;
    const value = this.#value();
    const { id } = await this.#client.leaseGrant({ ttl: 3600 }, { timeoutMs: patienceMs });
    await this.#book.write(new Map([[key, value]]), () =>
      this.#client.put({ key: Buffer.from(key), value: Buffer.from(value), lease: id }),
    );
    await this.#book.write(new Map([[key, null]]), () => this.#client.leaseRevoke(id));
  }
}

class Book {
  readonly report: KillReport = {
    cycle: 0,
    acknowledged: 0,
    unansweredApplied: 0,
    unansweredLost: 0,
    revision: 1,
    watchEvents: 0,
    violations: [],
  };
  /** By revision, since the last look. */
  #acknowledged = new Map<number, Changes>();
  #unanswered = new Set<Changes>();
  /** Every key that ever was, by its last event. */
  readonly #replayed = new Map<string, string | null>();
  #looked = 1;

  async write(changes: Changes, send: () => Promise<{ header?: { revision: number } | undefined }>): Promise<void> {
    try {
      const response = (await send()) as { header: { revision: number }; succeeded?: boolean; deleted?: number };
      this.report.acknowledged++;
      // A compare that did not hold, or a delete of nothing, takes no revision: then nothing of it may be found.
      if (response.succeeded === false || response.deleted === 0) return;
      const { revision } = response.header;
      if (this.#acknowledged.has(revision)) this.violate(`revision ${revision} was given to two requests`);
      if (revision <= this.#looked) this.violate(`revision ${revision} was given again`);
      this.#acknowledged.set(revision, changes);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.maybeApplied) this.#unanswered.add(changes);
      throw error;
    }
  }

  violate(what: string): void {
    if (this.report.violations.length < violationsMax) this.report.violations.push(what);
  }

  /** Compares the store with the book, since the last look. */
  async check(client: EtcdClient, followers: readonly Follower[]): Promise<void> {
    const { header } = await client.range({ key: Buffer.from(start) }, { timeoutMs: patienceMs });
    const { revision } = header;
    const highest = Math.max(0, ...this.#acknowledged.keys());
    if (revision < highest) this.violate(`the store is at ${revision}, and acknowledged ${highest}`);
    const history = revision > this.#looked ? await readHistory(client, this.#looked + 1, revision) : [];
    this.#compare(history, revision);
    for (const follower of followers) await follower.compare(client, history, revision, this);
    await this.#compareState(client, history, revision);
    this.#looked = revision;
    this.report.revision = revision;
    const compactAt = revision - historyRevisions;
    // Whether it was the last time it was tried, the store knows.
    if (compactAt > 1) await client.compact({ revision: compactAt }).catch(() => {});
    this.#acknowledged.clear();
    this.#unanswered.clear();
  }

  #compare(history: readonly Event[], revision: number): void {
    const byRevision = Map.groupBy(history, (event) => event.kv.modRevision);
    for (let at = this.#looked + 1; at <= revision; at++) {
      const events = byRevision.get(at);
      if (!events) {
        this.violate(`revision ${at} changed nothing`);
        continue;
      }
      const changes = changesOf(events);
      const acknowledged = this.#acknowledged.get(at);
      if (acknowledged) {
        if (!isSame(acknowledged, changes))
          this.violate(`revision ${at} is not what was acknowledged: ${shown(events)}`);
        continue;
      }
      const unanswered = [...this.#unanswered].find((one) => isSame(one, changes));
      if (unanswered) {
        this.#unanswered.delete(unanswered);
        this.report.unansweredApplied++;
      } else this.violate(`revision ${at} was asked for by nobody: ${shown(events)}`);
    }
    for (const at of this.#acknowledged.keys()) {
      if (at > revision) this.violate(`revision ${at} was acknowledged and is lost`);
    }
    this.report.unansweredLost += this.#unanswered.size;
  }

  /** What is there now is what the history says. */
  async #compareState(client: EtcdClient, history: readonly Event[], revision: number): Promise<void> {
    for (const [key, value] of changesOf(history)) this.#replayed.set(key, value);
    const { kvs } = await client.range({ ...all, revision }, { timeoutMs: patienceMs });
    const state = new Map(kvs.map((kv) => [kv.key.toString(), kv.value.toString()]));
    for (const [key, value] of this.#replayed) {
      if ((state.get(key) ?? null) !== value) this.violate(`${key} is not what its history says`);
    }
    for (const key of state.keys()) if (!this.#replayed.has(key)) this.violate(`${key} has no history`);
  }
}

/** A watch that goes on after a kill where it was. */
class Follower {
  readonly #name: string;
  readonly #options: WatchOptions;
  #seen: Event[] = [];
  /** Everything up to here was seen. */
  #next = 2;
  #handle: WatchHandle | undefined;
  #failure: string | undefined;
  #wake = () => {};

  constructor(name: string, options: WatchOptions) {
    this.#name = name;
    this.#options = options;
  }

  /** What it saw before the kill and sees after it must be this history, from where it was compared last. */
  async compare(client: EtcdClient, history: readonly Event[], revision: number, book: Book): Promise<void> {
    this.#follow(client);
    const expected = history.filter((event) => isWithin(event, this.#options)).map(identity);
    const deadline = AbortSignal.timeout(patienceMs);
    deadline.addEventListener('abort', () => this.#wake(), { once: true });
    while (this.#seen.length < expected.length && !this.#failure && !deadline.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const seen = this.#seen.filter((event) => event.kv.modRevision <= revision).map(identity);
    const at = expected.findIndex((event, i) => event !== seen[i]);
    const who = `the watcher of ${this.#name}`;
    if (this.#failure) book.violate(`${who}: ${this.#failure}`);
    else if (at >= 0) book.violate(`${who} saw ${seen[at] ?? 'nothing more'}, not ${expected[at]}`);
    else if (seen.length > expected.length) book.violate(`${who} saw ${seen[expected.length]}, which is not there`);
    book.report.watchEvents += seen.length;
    this.#seen = this.#seen.filter((event) => event.kv.modRevision > revision);
    this.#next = Math.max(this.#next, revision + 1);
  }

  stop(): void {
    this.#handle?.cancel();
    this.#handle = undefined;
  }

  #follow(client: EtcdClient): void {
    this.#handle = client.watch(
      { ...this.#options, startRevision: this.#next },
      {
        events: (events) => {
          for (const event of events) {
            this.#seen.push(event);
            this.#next = event.kv.modRevision + 1;
          }
          this.#wake();
        },
        progress() {},
        compacted: (revision) => {
          this.#failure = `compacted at ${revision}, while it needs ${this.#next}`;
          this.#wake();
        },
        closed() {},
      },
    );
  }
}

async function readHistory(client: EtcdClient, from: number, to: number): Promise<Event[]> {
  const history: Event[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new Error(`history from ${from} to ${to}: only ${history.length} events`)),
    patienceMs,
  );
  const handle = client.watch(
    { ...all, startRevision: from },
    {
      events(events) {
        history.push(...events);
        if (history.at(-1)!.kv.modRevision >= to) resolve();
      },
      progress() {},
      compacted: (revision) => reject(new Error(`history from ${from} is compacted at ${revision}`)),
      closed: reject,
    },
  );
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    handle.cancel();
  }
  return history;
}

function changesOf(events: readonly Event[]): Map<string, string | null> {
  return new Map(
    events.map(({ type, kv }) => [kv.key.toString(), type === EventType.DELETE ? null : kv.value.toString()]),
  );
}

function isSame(changes: Changes, found: Changes): boolean {
  return changes.size === found.size && [...changes].every(([key, value]) => found.get(key) === value);
}

function isWithin({ kv }: Event, { key, rangeEnd }: WatchOptions): boolean {
  return Buffer.compare(kv.key, key as Buffer) >= 0 && Buffer.compare(kv.key, rangeEnd as Buffer) < 0;
}

const identity = ({ type, kv }: Event): string =>
  `${kv.modRevision} ${type === EventType.DELETE ? 'DELETE' : 'PUT'} ${kv.key} ${kv.version} ${kv.value.toString().slice(0, 20)}`;

const shown = (events: readonly Event[]): string => events.slice(0, 4).map(identity).join(', ');
