/**
 * An etcd in memory, with its revisions, transactions, watches and compaction, and switches for what goes wrong with
 * a real one. Answers come asynchronously, as over a network.
 */
import {
  type EtcdKv,
  type KeyValue,
  KvError,
  type KvEvent,
  type KvOperation,
  type KvWatchSink,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
  type WatchRequest,
} from '../etcd3/kv.ts';
import type { StoreCondition } from '../storage.ts';

interface Version {
  revision: number;
  createRevision: number;
  /** Of its key, since it was created. */
  count: number;
  /** Absent: deleted. */
  value?: Buffer;
  lease?: string;
}

interface Stream {
  request: WatchRequest;
  sink: KvWatchSink;
  /** Everything up to here has been sent. */
  sent: number;
}

export type TxnFault = 'lostBefore' | 'lostAfter' | undefined;

export class FakeEtcd implements EtcdKv {
  clusterId = '1';
  revision = 1;
  compacted = 0;
  isDown = false;
  serverVersion = '3.5.21';
  /** Events stay back while this is set. */
  isWatchHeld = false;
  /** As behind etcd's proxy of 3.4. */
  isProgressIgnored = false;
  ranges = 0;
  txns = 0;
  watches = 0;
  /** Asked at each transaction. */
  faults: () => TxnFault = () => undefined;
  /** Awaited between a range's execution and its answer. */
  delayRange: () => Promise<void> = () => Promise.resolve();
  databaseBytes = 20_480;
  /** With NOSPACE in it, transactions that could put are refused, whatever they would do. */
  readonly alarms = new Set<string>();
  readonly leases = new Set<string>();
  #keys = new Map<string, Version[]>();
  #log: KvEvent[] = [];
  readonly #streams = new Set<Stream>();

  async range(request: RangeRequest): Promise<RangeResponse> {
    this.ranges++;
    await turn();
    this.#mustBeUp(false);
    const at = request.revision || this.revision;
    if (at < this.compacted) throw new KvError('compacted', 'required revision has been compacted');
    if (at > this.revision) throw new KvError('futureRevision', 'required revision is a future revision');
    const all = this.#state(request, at);
    const limit = request.limit || all.length;
    const page = request.countOnly ? [] : all.slice(0, limit);
    const kvs = request.keysOnly ? page.map((kv) => ({ ...kv, value: Buffer.alloc(0) })) : page;
    const answer = { ...this.#header(), kvs, count: all.length, more: all.length > limit };
    await this.delayRange();
    return answer;
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    this.txns++;
    await turn();
    this.#mustBeUp(false);
    const fault = this.faults();
    if (fault === 'lostBefore') throw lost();
    if (this.alarms.has('NOSPACE') && [...request.success, ...request.failure].some((o) => o.type === 'put'))
      throw full();
    const succeeded = request.compare.every((c) => {
      const current = this.#newest(c.key);
      return 'version' in c ? (current?.version ?? 0) === c.version : (current?.modRevision ?? 0) === c.modRevision;
    });
    const ranges = this.#execute(succeeded ? request.success : request.failure);
    const answer = { ...this.#header(), succeeded, ranges };
    if (fault === 'lostAfter') throw lost();
    await turn();
    this.#mustBeUp(true);
    return answer;
  }

  async grantLease(): Promise<string> {
    await turn();
    this.#mustBeUp(false);
    if (this.alarms.has('NOSPACE')) throw full();
    const id = String(this.leases.size + 1);
    this.leases.add(id);
    return id;
  }

  async version(): Promise<string> {
    await turn();
    this.#mustBeUp(false);
    return this.serverVersion;
  }

  /** Its effect is there when it returns, whoever may be connected; the answer comes later. */
  async compact(revision: number): Promise<void> {
    const isTooOld = revision <= this.compacted;
    const isTooNew = revision > this.revision;
    if (!isTooOld && !isTooNew) this.compacted = revision;
    await turn();
    if (isTooOld) throw new KvError('compacted', 'required revision has been compacted');
    if (isTooNew) throw new KvError('futureRevision', 'required revision is a future revision');
  }

  async condition(): Promise<StoreCondition> {
    await turn();
    this.#mustBeUp(false);
    return { databaseBytes: this.databaseBytes, alarms: [...this.alarms] };
  }

  watch(request: WatchRequest, sink: KvWatchSink) {
    this.watches++;
    const stream: Stream = { request, sink, sent: request.startRevision - 1 };
    void turn().then(() => {
      if (this.isDown) return sink.onEnd(new KvError('unavailable', 'no connection'));
      if (stream.sent < this.compacted) return sink.onEnd(new KvError('compacted', 'compacted'));
      this.#streams.add(stream);
      sink.onCreated(this.revision);
      this.#send(stream);
    });
    return {
      requestProgress: () =>
        void turn().then(() => {
          if (this.isWatchHeld || this.isProgressIgnored || !this.#streams.has(stream)) return;
          this.#send(stream);
          sink.onProgress(this.revision);
        }),
      close: () => this.#streams.delete(stream),
    };
  }

  /** Everything that ever happened, in order: what the caches are judged by. */
  get history(): readonly KvEvent[] {
    return this.#log;
  }

  // What happens to stores.

  put(key: string, value: string): number {
    this.#execute([{ type: 'put', key, value: Buffer.from(value) }]);
    return this.revision;
  }

  delete(key: string): number {
    this.#execute([{ type: 'delete', key }]);
    return this.revision;
  }

  releaseWatch(): void {
    this.isWatchHeld = false;
    for (const stream of this.#streams) this.#send(stream);
  }

  breakStreams(): void {
    const streams = [...this.#streams];
    this.#streams.clear();
    for (const { sink } of streams) sink.onEnd(new KvError('unavailable', 'connection lost'));
  }

  goDown(): void {
    this.isDown = true;
    this.breakStreams();
  }

  comeUp(): void {
    this.isDown = false;
  }

  /** Another, empty store at the same address. */
  replace(clusterId: string): void {
    this.breakStreams();
    this.clusterId = clusterId;
    this.revision = 1;
    this.compacted = 0;
    this.#keys = new Map();
    this.#log = [];
  }

  /** The store as it was, restored from a copy. */
  rewind(revision: number): void {
    this.revision = revision;
    this.#log = this.#log.filter((e) => e.kv.modRevision <= revision);
    for (const [key, versions] of this.#keys) {
      this.#keys.set(
        key,
        versions.filter((v) => v.revision <= revision),
      );
    }
  }

  leaseOf(key: string): string | undefined {
    return this.#keys.get(key)?.at(-1)?.lease;
  }

  #header() {
    return { clusterId: this.clusterId, revision: this.revision };
  }

  #mustBeUp(wasSent: boolean): void {
    if (this.isDown) throw new KvError('unavailable', 'no connection', { maybeApplied: wasSent });
  }

  #state(request: RangeRequest, at: number): KeyValue[] {
    const { key, rangeEnd } = request;
    const isIn = (k: string) => (rangeEnd === undefined ? k === key : k >= key && k < rangeEnd);
    const found: KeyValue[] = [];
    for (const k of this.#keys.keys()) {
      const kv = isIn(k) ? this.#newest(k, at) : undefined;
      if (kv) found.push(kv);
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #newest(key: string, at = this.revision): KeyValue | undefined {
    const version = this.#keys.get(key)?.findLast((v) => v.revision <= at);
    return version?.value && keyValue(key, version);
  }

  /** One revision for all writes of a transaction, none when it wrote nothing. */
  #execute(operations: readonly KvOperation[]): KeyValue[][] {
    const ranges: KeyValue[][] = [];
    const events: KvEvent[] = [];
    const revision = this.revision + 1;
    for (const op of operations) {
      const current = this.#newest(op.key);
      if (op.type === 'range') ranges.push(current ? [current] : []);
      else if (op.type === 'put' || current) {
        const isPut = op.type === 'put';
        const createRevision = isPut ? (current?.createRevision ?? revision) : 0;
        const count = isPut ? (current?.version ?? 0) + 1 : 0;
        const stored = isPut ? { value: op.value, lease: op.lease } : {};
        const version: Version = { revision, createRevision, count, ...stored };
        const versions = this.#keys.get(op.key);
        if (versions) versions.push(version);
        else this.#keys.set(op.key, [version]);
        events.push({ type: op.type, kv: keyValue(op.key, version) });
      }
    }
    if (events.length > 0) {
      this.revision = revision;
      this.#log.push(...events);
      for (const stream of this.#streams) void turn().then(() => this.#streams.has(stream) && this.#send(stream));
    }
    return ranges;
  }

  #send(stream: Stream): void {
    if (this.isWatchHeld) return;
    const { key, rangeEnd } = stream.request;
    const due = this.#log.filter((e) => e.kv.modRevision > stream.sent && e.kv.key >= key && e.kv.key < rangeEnd);
    stream.sent = this.revision;
    if (due.length > 0) stream.sink.onEvents(due);
  }
}

function keyValue(key: string, version: Version): KeyValue {
  const { revision: modRevision, createRevision, count, value = Buffer.alloc(0) } = version;
  return { key, value, createRevision, modRevision, version: count };
}

function lost(): KvError {
  return new KvError('unavailable', 'connection lost', { maybeApplied: true });
}

function full(): KvError {
  return new KvError('noSpace', 'etcdserver: mvcc: database space exceeded');
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
