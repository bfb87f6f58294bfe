import type { EtcdClient } from '#etcd/client.ts';
import { Code, EtcdError } from '#etcd/etcd-error.ts';
import { type KeyValue as EtcdKeyValue, type Event, EventType } from '#etcd/key-value.ts';
import { AlarmAction, AlarmType, CompareResult, CompareTarget, type RequestOpInit } from '#etcd/messages.ts';
import {
  type EtcdKv,
  type KeyValue,
  KvError,
  type KvErrorKind,
  type KvEvent,
  type KvOperation,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
} from './kv.ts';

/**
 * Storage's view of the etcd client. `reads`: where ranges and watches go (`--etcd-read-servers`); writes go to
 * `writes` always.
 */
export function kvOfClient(writes: EtcdClient, reads: EtcdClient = writes): EtcdKv {
  return {
    range: (request, signal) => reads.range(rangeOf(request), { signal }).then(rangeResponse).catch(rethrow),
    txn: (request, signal) => writes.txn(txnOf(request), { signal }).then(txnResponse).catch(rethrow),
    grantLease: (ttlSeconds, signal) =>
      writes.leaseGrant({ ttl: ttlSeconds }, { signal }).then((r) => String(r.id), rethrow),
    version: (signal) => reads.status({ signal }).then((r) => r.version, rethrow),
    compact: (revision, signal) => writes.compact({ revision }, { signal }).then(() => undefined, rethrow),
    async condition(signal) {
      try {
        const [status, { alarms }] = await Promise.all([
          writes.status({ signal }),
          writes.alarm({ action: AlarmAction.GET }, { signal }),
        ]);
        return { databaseBytes: status.dbSize, alarms: [...new Set(alarms.map(({ alarm }) => alarmName(alarm)))] };
      } catch (error) {
        return rethrow(error);
      }
    },
    watch(request, sink) {
      const handle = reads.watch(
        {
          key: Buffer.from(request.key),
          rangeEnd: Buffer.from(request.rangeEnd),
          startRevision: request.startRevision,
        },
        {
          created: (revision) => sink.onCreated(revision),
          events: (events) => sink.onEvents(events.map(kvEvent)),
          progress: (revision) => sink.onProgress(revision),
          compacted: (revision) => sink.onEnd(new KvError('compacted', `compacted up to revision ${revision}`)),
          closed: (error) => sink.onEnd(kvErrorOf(error)),
        },
      );
      return { requestProgress: () => handle.requestProgress(), close: () => handle.cancel() };
    },
  };
}

function keyValue(kv: EtcdKeyValue): KeyValue {
  return {
    key: kv.key.toString(),
    value: kv.value,
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
  };
}

function alarmName(alarm: number): string {
  return Object.entries(AlarmType).find(([, type]) => type === alarm)?.[0] ?? String(alarm);
}

function kvEvent(event: Event): KvEvent {
  return { type: event.type === EventType.DELETE ? 'delete' : 'put', kv: keyValue(event.kv) };
}

function rangeOf(request: RangeRequest) {
  return {
    key: Buffer.from(request.key),
    ...(request.rangeEnd === undefined ? {} : { rangeEnd: Buffer.from(request.rangeEnd) }),
    revision: request.revision ?? 0,
    limit: request.limit ?? 0,
    countOnly: request.countOnly ?? false,
    keysOnly: request.keysOnly ?? false,
  };
}

function rangeResponse(response: Awaited<ReturnType<EtcdClient['range']>>): RangeResponse {
  return {
    clusterId: String(response.header.clusterId),
    revision: response.header.revision,
    kvs: response.kvs.map(keyValue),
    count: response.count,
    more: response.more,
  };
}

function txnOf(request: TxnRequest) {
  return {
    compare: request.compare.map((compare) => ({
      key: Buffer.from(compare.key),
      result: CompareResult.EQUAL,
      ...('version' in compare
        ? { target: CompareTarget.VERSION, version: compare.version }
        : { target: CompareTarget.MOD, modRevision: compare.modRevision }),
    })),
    success: request.success.map(operation),
    failure: request.failure.map(operation),
  };
}

function operation(op: KvOperation): RequestOpInit {
  const key = Buffer.from(op.key);
  switch (op.type) {
    case 'put':
      return { requestPut: { key, value: op.value, ...(op.lease === undefined ? {} : { lease: BigInt(op.lease) }) } };
    case 'delete':
      return { requestDeleteRange: { key } };
    case 'range':
      return { requestRange: { key } };
  }
}

function txnResponse(response: Awaited<ReturnType<EtcdClient['txn']>>): TxnResponse {
  const ranges: KeyValue[][] = [];
  for (const { responseRange } of response.responses) if (responseRange) ranges.push(responseRange.kvs.map(keyValue));
  return {
    clusterId: String(response.header.clusterId),
    revision: response.header.revision,
    succeeded: response.succeeded,
    ranges,
  };
}

function rethrow(error: unknown): never {
  throw error instanceof EtcdError ? kvErrorOf(error) : error;
}

/** etcd tells its own troubles by text; the codes are shared by several. */
const kinds: readonly [RegExp, KvErrorKind][] = [
  [/required revision has been compacted/, 'compacted'],
  [/required revision is a future revision/, 'futureRevision'],
  [/request is too large|trying to send message larger|message larger than max/i, 'tooLarge'],
  [/database space exceeded/, 'noSpace'],
  [/too many requests/, 'unavailable'],
  [/requested lease not found/, 'leaseNotFound'],
];

function kvErrorOf(error: EtcdError): KvError {
  const kind = kinds.find(([text]) => text.test(error.message))?.[1] ?? kindOfCode(error.code);
  return new KvError(kind, error.message, { maybeApplied: error.maybeApplied, cause: error });
}

function kindOfCode(code: Code): KvErrorKind {
  if (code === Code.UNAVAILABLE) return 'unavailable';
  if (code === Code.DEADLINE_EXCEEDED) return 'timeout';
  if (code === Code.CANCELLED) return 'cancelled';
  return 'other';
}
