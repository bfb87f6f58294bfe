/**
 * A whole control plane's storage in one process, under one scheduler: a store on its disk, API servers with their
 * caches, clients and watchers, others who write to the same store; and what goes wrong with all of them.
 */
import { sleep } from '#base/clock.ts';
import { kvOfClient } from '#storage/etcd3/client-kv.ts';
import type { EtcdKv } from '#storage/etcd3/kv.ts';
import type { Database } from '#store/backend/database.ts';
import { type Answer, ApiServer } from './api-server.ts';
import { SimDisk } from './disk.ts';
import { connectEtcd, type SimEtcdClient } from './etcd-connection.ts';
import { Network } from './network.ts';
import type { Fault, Plan } from './plan.ts';
import { SimProcess } from './process.ts';
import { delayMsOf, syncMsOf } from './profiles.ts';
import { Random } from './random.ts';
import { Recorder } from './recorder.ts';
import { Scheduler } from './scheduler.ts';
import { StoreProcess } from './store-process.ts';
import type { Trace } from './trace.ts';

/** A client that has heard nothing for so long goes away. */
const callTimeoutMs = 60_000;
/** A dead process is started again after this at the latest, unless its fault says otherwise. */
const restartMs = 50;

export interface Violation {
  what: string;
  detail: string;
}

/** Ways to break the world on purpose: each must be noticed. */
export interface Sabotage {
  disk?: (disk: SimDisk) => void;
  database?: (database: Database) => Database;
  store?: (store: StoreProcess, database: Database) => void;
  kv?: (kv: EtcdKv, random: Random) => EtcdKv;
  api?: (api: ApiServer, random: Random) => void;
}

export class World {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly disk: SimDisk;
  readonly recorder: Recorder;
  /** All clients live here: the process that never fails. */
  readonly clients: SimProcess;
  readonly violations: Violation[] = [];
  readonly counts: Record<string, number> = {};
  /** TTL keys: what was asked, by operation. */
  readonly expiring = new Map<number, { key: string; ttlSeconds: number; atMs: number }>();
  store: StoreProcess | undefined;
  readonly servers: (ApiServer | undefined)[];
  isHealed = false;
  isOver = false;
  readonly #random: Random;
  readonly #sabotage: Sabotage;
  #lives = 0;
  /** The number of faults that keep the store, or a server, from coming back. */
  readonly #down = new Map<string, number>();

  constructor(plan: Plan, trace: Trace, sabotage: Sabotage = {}) {
    this.plan = plan;
    this.#sabotage = sabotage;
    this.scheduler = new Scheduler(plan.seed, trace);
    trace.now = () => this.scheduler.now;
    this.#random = new Random(plan.seed, 'world');
    this.network = new Network(this.scheduler, new Random(plan.seed, 'network'), { delayMs: delayMsOf(plan.network) });
    this.disk = new SimDisk(this.scheduler, new Random(plan.seed, 'disk'), { syncMs: syncMsOf(plan.disk) });
    sabotage.disk?.(this.disk);
    this.recorder = new Recorder(this.scheduler);
    this.clients = new SimProcess('clients', this.scheduler, new Random(plan.seed, 'clients'));
    this.servers = new Array(plan.servers).fill(undefined);
    this.scheduler.onError = (error, owner) => this.violation(`uncaught in ${owner.name}`, error);
  }

  /** Everything up, and the faults on their way. */
  start(): void {
    this.#startStore();
    for (let i = 0; i < this.servers.length; i++) this.#startServer(i);
    for (const fault of this.plan.faults) this.clients.clock.setTimer(fault.atMs, () => this.#inflict(fault));
    this.clients.clock.setTimer(this.plan.healAtMs, () => this.#heal());
  }

  /** Of those that are up; a load balancer would not send anybody to another. */
  server(index: number): ApiServer | undefined {
    return this.servers[index % this.servers.length];
  }

  /** One request to one server, from a client that may not hear of it again. */
  call<T>(api: ApiServer | undefined, ask: (api: ApiServer) => Promise<T>): Promise<Answer<T>> {
    const { scheduler, network, clients } = this;
    const back = clients.lane('answer');
    const wasHealed = this.isHealed;
    return new Promise((resolve) => {
      let isSettled = false;
      const settle = (answer: Answer<T>) => {
        if (isSettled) return;
        isSettled = true;
        timer.cancel();
        api?.onDeath.delete(lost);
        resolve(answer);
      };
      const answer = (value: Answer<T>) => void scheduler.after(network.delayMs(), back, () => settle(value));
      const lost = () => answer('lost');
      const timer = clients.clock.setTimer(callTimeoutMs, () => {
        if (wasHealed) this.violation('no answer', `from ${api?.process.name} within ${callTimeoutMs} ms`);
        settle('lost');
      });
      if (!api) return answer('refused');
      api.onDeath.add(lost);
      scheduler.after(network.delayMs(), api.process.lane('request'), () => {
        ask(api).then(
          (value) => answer({ value }),
          (error: unknown) => answer({ error }),
        );
      });
    });
  }

  etcdClient(process: SimProcess): SimEtcdClient {
    const dialing = process.lane('dial');
    return connectEtcd(process.clock, () => {
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Network['connect']>>();
      this.scheduler.after(2 * this.network.delayMs(), dialing, () => {
        const { store } = this;
        if (!store || store.process.isPaused || this.network.isParted(process)) {
          reject(new Error('connection refused'));
          return;
        }
        const connection = this.network.connect(process, store.process);
        store.accept(connection);
        resolve(connection);
      });
      return promise;
    });
  }

  expires(operation: number, key: string, ttlSeconds: number): void {
    this.expiring.set(operation, { key, ttlSeconds, atMs: this.scheduler.now });
  }

  /**
   * When a key made at `madeAtMs` must be gone: a lease is shared for a twentieth of its time, begins anew when the store
   * starts, is at least 2 s long, and ends by a commit that takes its turn.
   */
  expiredBy(madeAtMs: number, ttlSeconds: number): number {
    return Math.max(madeAtMs, this.plan.healAtMs) + Math.max(2, ttlSeconds * 1.05) * 1000 + expiryLateMs;
  }

  tick(): number {
    return this.scheduler.tick();
  }

  violation(what: string, cause: unknown): void {
    const detail =
      cause instanceof Error
        ? (cause.stack ?? cause.message)
        : typeof cause === 'string'
          ? cause
          : JSON.stringify(cause);
    this.scheduler.trace.note('world', `VIOLATION ${what}`);
    this.violations.push({ what, detail });
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** Waits until `isTrue`, by virtual time; false when it did not come. */
  async until(isTrue: () => boolean, boundMs: number): Promise<boolean> {
    const end = this.scheduler.now + boundMs;
    while (!isTrue()) {
      if (this.scheduler.now > end) return false;
      await sleep(this.clients.clock, 50);
    }
    return true;
  }

  // ---- Lives and deaths

  #startStore(): void {
    if (this.store || this.#isDown('store')) return;
    const process = new SimProcess(
      `store.${++this.#lives}`,
      this.scheduler,
      new Random(this.plan.seed, `store ${this.#lives}`),
    );
    let database: Database;
    try {
      const opened = this.disk.open(process, () => BigInt(this.#random.int32() >>> 1) + 1n);
      database = this.#sabotage.database?.(opened) ?? opened;
    } catch {
      this.clients.clock.setTimer(restartMs, () => this.#startStore());
      return;
    }
    this.#note('world', `${process.name} starts`);
    this.store = new StoreProcess({
      process,
      database,
      randomId: () => (BigInt(this.#random.int32() >>> 0) << 20n) + BigInt(this.#lives),
      version: this.plan.storeVersion,
      watchBufferBytes: this.plan.watchBufferBytes,
      onFatal: (error) => {
        this.#note('world', `${process.name} cannot go on: ${error.message}`);
        this.count('fatal');
        // Its process ends in the turn after this one, as a rejected run() does.
        process.clock.soon(() => this.#killStore(process, false, restartMs));
      },
      onHeader: (revision) => {
        if (revision <= this.disk.durableRevision) return;
        this.violation('told before durable', `a header says ${revision}, the disk holds ${this.disk.durableRevision}`);
      },
      onInternalError: (error) => this.violation('internal error of the store', error),
    });
    this.#sabotage.store?.(this.store, database);
  }

  #killStore(process: SimProcess, power: boolean, forMs: number): void {
    if (this.store?.process !== process) return;
    this.#note('world', `${process.name} ${power ? 'loses power' : 'dies'}`);
    this.store = undefined;
    process.kill();
    const before = this.disk.lostTransactions;
    this.disk.crash(power);
    if (this.disk.lostTransactions > before) this.count('lost unsynced transactions');
    this.network.cutAllOf(process, power && this.#random.chance(0.5));
    this.#keepDown('store', forMs, () => this.#startStore());
  }

  /** Between a commit and the end of its sync is when most can be lost. */
  #killAtCommit(process: SimProcess, power: boolean, forMs: number): void {
    this.disk.onCommitted = () => {
      this.disk.onCommitted = () => {};
      const { clock } = this.clients;
      const kill = () => this.#killStore(process, power, forMs);
      if (this.#random.chance(0.5)) clock.soon(kill);
      else clock.setTimer(this.#random.between(1, 5), kill);
    };
  }

  #startServer(index: number): void {
    const name = `api-${index + 1}`;
    if (this.servers[index] || this.#isDown(name)) return;
    const life = ++this.#lives;
    const process = new SimProcess(`${name}.${life}`, this.scheduler, new Random(this.plan.seed, `${name} ${life}`));
    const random = new Random(this.plan.seed, `random of ${name} ${life}`);
    this.#note('world', `${process.name} starts`);
    const kv = kvOfClient(this.etcdClient(process) as Parameters<typeof kvOfClient>[0]);
    const broken = this.#sabotage.kv?.(kv, random) ?? kv;
    const api = new ApiServer(
      process,
      broken,
      () => random.next(),
      (error) => this.violation('the backend ended', error),
    );
    this.#sabotage.api?.(api, random);
    this.servers[index] = api;
  }

  #killServer(index: number, forMs: number): void {
    const api = this.servers[index];
    if (!api) return;
    this.#note('world', `${api.process.name} dies`);
    this.servers[index] = undefined;
    api.kill();
    this.network.cutAllOf(api.process, this.#random.chance(0.3));
    this.#keepDown(`api-${index + 1}`, forMs, () => this.#startServer(index));
  }

  #isDown(name: string): boolean {
    return (this.#down.get(name) ?? 0) > 0;
  }

  #keepDown(name: string, forMs: number, restart: () => void): void {
    this.#down.set(name, (this.#down.get(name) ?? 0) + 1);
    this.clients.clock.setTimer(forMs, () => {
      this.#down.set(name, this.#down.get(name)! - 1);
      restart();
    });
  }

  // ---- Faults

  #inflict(fault: Fault): void {
    if (this.isHealed) return;
    this.count(fault.do);
    this.#note('world', `fault: ${JSON.stringify(fault)}`);
    const { clock } = this.clients;
    const { disk, network } = this;
    const store = this.store?.process;
    const forMs = Math.max(1, fault.forMs);
    switch (fault.do) {
      case 'store crash':
      case 'store power cut':
        if (!store) return;
        if (fault.atCommit) this.#killAtCommit(store, fault.do === 'store power cut', forMs);
        else this.#killStore(store, fault.do === 'store power cut', forMs);
        return;
      case 'store pause':
        if (store) this.#pause(store, forMs);
        return;
      case 'sync error':
        disk.failNext.sync = true;
        return;
      case 'commit error':
        disk.failNext.commit = true;
        return;
      case 'disk full':
        disk.isFull = true;
        disk.isKnownFull = this.#random.chance(0.5);
        clock.setTimer(forMs, () => {
          disk.isFull = false;
        });
        return;
      case 'disk slow':
        disk.slowedMs = 200;
        clock.setTimer(forMs, () => {
          disk.slowedMs = 0;
        });
        return;
      case 'server crash':
        this.#killServer(fault.server, forMs);
        return;
      case 'server pause': {
        const api = this.servers[fault.server];
        if (api) this.#pause(api.process, forMs);
        return;
      }
      case 'cut':
      case 'silent cut': {
        const api = this.servers[fault.server];
        if (api) network.cutAllOf(api.process, fault.do === 'silent cut');
        return;
      }
      case 'part':
      case 'silent part': {
        const host = `api-${fault.server + 1}`;
        network.part(host, fault.do === 'silent part');
        clock.setTimer(forMs, () => network.heal(host));
      }
    }
  }

  #pause(process: SimProcess, forMs: number): void {
    if (process.isPaused) return;
    process.pause();
    // What does not answer pings is given up by the other side.
    const given = this.clients.clock.setTimer(pingsGivenUpMs, () => {
      if (process.isPaused) this.network.cutAllOf(process, false);
    });
    this.clients.clock.setTimer(forMs, () => {
      given.cancel();
      if (!process.isDead) process.resume();
    });
  }

  #heal(): void {
    this.#note('world', 'from now on all is well');
    this.isHealed = true;
    this.disk.isFull = false;
    this.disk.failNext = {};
    this.disk.onCommitted = () => {};
    this.disk.slowedMs = 0;
    for (let i = 1; i <= this.plan.servers; i++) this.network.heal(`api-${i}`);
    for (const process of [this.store?.process, ...this.servers.map((api) => api?.process)]) {
      if (process?.isPaused) process.resume();
    }
    this.#down.clear();
    this.#startStore();
    for (let i = 0; i < this.servers.length; i++) this.#startServer(i);
  }

  #note(who: string, what: string): void {
    this.scheduler.trace.note(who, what);
  }
}

const pingsGivenUpMs = 15_000;
const expiryLateMs = 5_000;
