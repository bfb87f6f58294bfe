import type { StoreCondition } from '../storage.ts';

/**
 * What the storage asks of an etcd client, and nothing more: the real one is adapted in client-kv.ts, tests use
 * testing/fake-etcd.ts. Keys are text (every key under /registry/ is), revisions are numbers (an int64 that stays
 * far below 2^53). Every call rejects with KvError.
 */
export interface EtcdKv {
  range(request: RangeRequest, signal?: AbortSignal): Promise<RangeResponse>;
  txn(request: TxnRequest, signal?: AbortSignal): Promise<TxnResponse>;
  /** A new lease's id. */
  grantLease(ttlSeconds: number, signal?: AbortSignal): Promise<string>;
  /** One stream, not resumed by itself: it ends with `onEnd`, exactly once, unless it is closed first. */
  watch(request: WatchRequest, sink: KvWatchSink): KvWatch;
  /** The server's version, such as `3.5.21`: old ones cannot be asked for progress. */
  version(signal?: AbortSignal): Promise<string>;
  /** Forgets what was before `revision`. Of one already forgotten: KvError `compacted`. */
  compact(revision: number, signal?: AbortSignal): Promise<void>;
  /** Of one member, and of the cluster. */
  condition(signal?: AbortSignal): Promise<StoreCondition>;
}

export interface KeyValue {
  key: string;
  value: Buffer;
  createRevision: number;
  modRevision: number;
  /** Counts the writes since it was created, from 1. */
  version: number;
}

export interface RangeRequest {
  key: string;
  /** Absent: the one key. See `prefixEnd`. */
  rangeEnd?: string;
  /** 0 or absent: a linearizable read of the newest. */
  revision?: number;
  limit?: number;
  countOnly?: boolean;
  /** Values are left out: they come back empty. */
  keysOnly?: boolean;
}

export interface ResponseHeader {
  clusterId: string;
  revision: number;
}

export interface RangeResponse extends ResponseHeader {
  kvs: KeyValue[];
  /** All keys in the range, also those beyond the limit. */
  count: number;
  more: boolean;
}

export interface TxnRequest {
  /** All must hold. 0: the key does not exist. */
  compare: ({ key: string; modRevision: number } | { key: string; version: number })[];
  success: KvOperation[];
  failure: KvOperation[];
}

export type KvOperation =
  | { type: 'put'; key: string; value: Buffer; lease?: string }
  | { type: 'delete'; key: string }
  | { type: 'range'; key: string };

export interface TxnResponse extends ResponseHeader {
  succeeded: boolean;
  /** What the ranges of the taken branch found, in order; the other operations have no place here. */
  ranges: KeyValue[][];
}

export interface WatchRequest {
  key: string;
  rangeEnd: string;
  startRevision: number;
}

export interface KvEvent {
  type: 'put' | 'delete';
  /** Of a deletion: the key and the deletion's modRevision. */
  kv: KeyValue;
}

export interface KvWatchSink {
  /** The store knows the watch; `revision` is the store's. */
  onCreated(revision: number): void;
  /** Whole revisions, in order. */
  onEvents(events: readonly KvEvent[]): void;
  /** Every event up to `revision` has been given to onEvents. */
  onProgress(revision: number): void;
  onEnd(error: KvError): void;
}

export interface KvWatch {
  requestProgress(): void;
  close(): void;
}

export type KvErrorKind =
  | 'unavailable'
  | 'timeout'
  | 'cancelled'
  | 'compacted'
  | 'futureRevision'
  | 'tooLarge'
  | 'noSpace'
  | 'leaseNotFound'
  | 'other';

export class KvError extends Error {
  override name = 'KvError';
  readonly kind: KvErrorKind;
  /** The request was sent and its answer lost: a write may have been done. */
  readonly maybeApplied: boolean;

  constructor(kind: KvErrorKind, message: string, options: { maybeApplied?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.maybeApplied = options.maybeApplied ?? false;
  }
}

/** The first key after all that start with `prefix`. */
export function prefixEnd(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}
