import type { EtcdKv, KvEvent, KvWatchSink, RangeRequest, WatchRequest } from '../etcd3/kv.ts';

/** An honest store's client, but for the events of its watches: `tamper` says what is told instead of each. */
export class LyingKv implements EtcdKv {
  tamper: (event: KvEvent) => readonly KvEvent[] = (event) => [event];
  /** What a range waits for before it is asked. */
  gate: (request: RangeRequest) => Promise<void> | undefined = () => undefined;
  readonly #honest: EtcdKv;
  readonly range: EtcdKv['range'];
  readonly txn: EtcdKv['txn'];
  readonly grantLease: EtcdKv['grantLease'];
  readonly version: EtcdKv['version'];
  readonly compact: EtcdKv['compact'];
  readonly condition: EtcdKv['condition'];

  constructor(honest: EtcdKv) {
    this.#honest = honest;
    this.range = async (request, signal) => {
      await this.gate(request);
      return honest.range(request, signal);
    };
    this.txn = honest.txn.bind(honest);
    this.grantLease = honest.grantLease.bind(honest);
    this.version = honest.version.bind(honest);
    this.compact = honest.compact.bind(honest);
    this.condition = honest.condition.bind(honest);
  }

  watch(request: WatchRequest, sink: KvWatchSink) {
    return this.#honest.watch(request, {
      onCreated: (revision) => sink.onCreated(revision),
      onProgress: (revision) => sink.onProgress(revision),
      onEnd: (error) => sink.onEnd(error),
      onEvents: (events) => {
        const told = events.flatMap((event) => this.tamper(event));
        const last = events.at(-1)!.kv.modRevision;
        if (told.length > 0) sink.onEvents(told);
        if (told.at(-1)?.kv.modRevision !== last) sink.onProgress(last);
      },
    });
  }
}
