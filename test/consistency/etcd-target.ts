/** Keys of one prefix through etcd's own protocol; each server (a member of a cluster) asked by itself. */
import { silentLogger } from '#base/log.ts';
import type { Contents, Failed, Get, List, Operation, Outcome, Stored, Txn, TxnStep } from '#drills/model/history.ts';
import type { Target, TargetOffers, TargetServer, TargetSink, WatchRequest } from '#drills/model/target.ts';
import { createEtcdClient, type EtcdClient, type KeyValue } from '#etcd/client.ts';
import type { TlsOptions } from '#etcd/endpoints.ts';
import { Code, EtcdError } from '#etcd/etcd-error.ts';
import { EventType } from '#etcd/key-value.ts';
import { CompareResult, CompareTarget, type RequestOpInit, type TxnResponse } from '#etcd/messages.ts';
import { realClock } from '#os/real-clock.ts';
import { prefixEnd, text } from '../etcd-suite.ts';

export interface EtcdServer extends TargetServer {
  name: string;
  readonly endpoints: readonly string[];
}

export interface EtcdTargetOptions {
  tls?: TlsOptions;
  /**
   * Watches ask for their progress again and again: bookmarks. Not of etcd before 3.4.25 and 3.5.8, which answers
   * before the events it speaks of.
   */
  asksForProgress?: boolean;
}

const requestTimeoutMs = 3000;
const progressMs = 20;

export class EtcdTarget implements Target {
  readonly prefix = '/consistency/';
  readonly servers: readonly EtcdServer[];
  readonly offers: TargetOffers = {
    operations: { get: 5, list: 2, create: 2, put: 3, update: 4, delete: 2, txn: 3 },
    freshness: { consistent: 6, any: 2, exact: 1 },
    selectors: false,
    uids: false,
    initialEvents: false,
  };
  #clients = new Map<string, EtcdClient>();
  #tls: TlsOptions | undefined;
  /** By client: the key after which its list goes on. */
  #continues = new Map<string, string>();
  #batches = 0;

  #asksForProgress: boolean;

  constructor(servers: readonly EtcdServer[], options: EtcdTargetOptions = {}) {
    this.servers = servers;
    this.#tls = options.tls;
    this.#asksForProgress = options.asksForProgress ?? false;
  }

  async perform(operation: Operation, at: TargetServer, client: string): Promise<Outcome> {
    try {
      return await this.#perform(operation, this.client(at as EtcdServer, client), client);
    } catch (error) {
      return outcomeOf(error);
    }
  }

  watch(
    { prefix, start }: WatchRequest,
    at: TargetServer,
    client: string,
    sink: TargetSink,
    signal: AbortSignal,
  ): Promise<void> {
    if (!('after' in start)) throw new Error('etcd has no initial events');
    const { promise, resolve } = Promise.withResolvers<void>();
    const handle = this.client(at as EtcdServer, client).watch(
      {
        key: text(prefix),
        rangeEnd: prefixEnd(prefix),
        startRevision: start.after + 1,
        prevKv: true,
        progressNotify: true,
      },
      {
        events: (events) => {
          const batch = ++this.#batches;
          for (const { type, kv, prevKv } of events) {
            const previous = prevKv ? storedOf(prevKv) : null;
            if (type === EventType.DELETE) {
              const { contents, created } = previous ?? {};
              const key = kv.key.toString();
              const revision = kv.modRevision;
              sink.event({
                type: 'DELETED',
                key,
                revision,
                batch,
                previous,
                ...(contents && { contents }),
                ...(created && { created }),
              });
            } else {
              const isNew = kv.createRevision === kv.modRevision;
              sink.event({ type: isNew ? 'ADDED' : 'MODIFIED', batch, previous, ...storedOf(kv) });
            }
          }
        },
        progress: (revision) => sink.bookmark(revision),
        compacted: (revision) => {
          sink.error('expired', `compacted up to ${revision}`);
          resolve();
        },
        closed: (error) => {
          sink.error('other', error.message);
          resolve();
        },
      },
    );
    const asking = this.#asksForProgress ? setInterval(() => handle.requestProgress(), progressMs) : undefined;
    void promise.then(() => clearInterval(asking));
    const stop = () => {
      handle.cancel();
      resolve();
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    return promise;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  client(at: EtcdServer, client: string): EtcdClient {
    const id = `${client}@${this.servers.indexOf(at)}`;
    let connection = this.#clients.get(id);
    if (!connection) {
      connection = createEtcdClient({
        endpoints: at.endpoints,
        ...(this.#tls && { tls: this.#tls }),
        clock: realClock,
        log: silentLogger,
        requestTimeoutMs,
      });
      this.#clients.set(id, connection);
    }
    return connection;
  }

  async #perform(operation: Operation, etcd: EtcdClient, client: string): Promise<Outcome> {
    switch (operation.type) {
      case 'get':
        return get(operation, etcd);
      case 'list':
        return this.#list(operation, etcd, client);
      case 'put': {
        const { key, contents } = operation;
        const { header, prevKv } = await etcd.put({ key: text(key), value: bytesOf(contents), prevKv: true });
        return { type: 'ok', revision: header!.revision, previous: prevKv ? storedOf(prevKv) : null };
      }
      case 'create': {
        const { key } = operation;
        const response = await etcd.txn(
          guarded(key, 0, { requestPut: { key: text(key), value: bytesOf(operation.contents) } }),
        );
        return response.succeeded
          ? { type: 'ok', revision: response.header.revision }
          : { type: 'failed', reason: 'exists' };
      }
      case 'update':
      case 'delete': {
        const { key, revision } = operation;
        const request: RequestOpInit =
          operation.type === 'update'
            ? { requestPut: { key: text(key), value: bytesOf(operation.contents), prevKv: true } }
            : { requestDeleteRange: { key: text(key), prevKv: true } };
        return guardedOutcome(await etcd.txn(guarded(key, revision, request)));
      }
      case 'txn':
        return txn(operation, etcd);
      default:
        return { type: 'failed', reason: 'refused', message: `etcd has no ${operation.type}` };
    }
  }

  async #list({ prefix, freshness, limit = 0, continues }: List, etcd: EtcdClient, client: string): Promise<Outcome> {
    const after = continues === undefined ? undefined : this.#continues.get(client);
    this.#continues.delete(client);
    if (continues !== undefined && after === undefined)
      return { type: 'failed', reason: 'refused', message: 'no token' };
    const revision = typeof freshness === 'object' && 'exact' in freshness ? freshness.exact : 0;
    const { header, kvs, more } = await etcd.range({
      key: text(after === undefined ? prefix : `${after}\0`),
      rangeEnd: prefixEnd(prefix),
      limit,
      revision,
      serializable: freshness === 'any',
    });
    if (more) this.#continues.set(client, kvs.at(-1)!.key.toString());
    return { type: 'ok', revision: revision || header.revision, objects: kvs.map(storedOf), more };
  }
}

async function get({ key, freshness }: Get, etcd: EtcdClient): Promise<Outcome> {
  const revision = typeof freshness === 'object' && 'exact' in freshness ? freshness.exact : 0;
  const { header, kvs } = await etcd.range({ key: text(key), revision, serializable: freshness === 'any' });
  return { type: 'ok', revision: revision || header.revision, object: kvs[0] ? storedOf(kvs[0]) : null };
}

async function txn({ compare, success, failure }: Txn, etcd: EtcdClient): Promise<Outcome> {
  const response = await etcd.txn({
    compare: compare.map(({ key, revision }) => modRevisionIs(key, revision)),
    success: success.map(requestOf),
    failure: failure.map(requestOf),
  });
  const found = response.responses
    .filter((r) => r.responseRange)
    .map((r) => (r.responseRange!.kvs[0] ? storedOf(r.responseRange!.kvs[0]) : null));
  return { type: 'ok', succeeded: response.succeeded, revision: response.header.revision, found };
}

function requestOf(step: TxnStep): RequestOpInit {
  const key = text(step.key);
  if (step.type === 'put') return { requestPut: { key, value: bytesOf(step.contents) } };
  return step.type === 'get' ? { requestRange: { key } } : { requestDeleteRange: { key } };
}

/** `revision` undefined: whatever is there, but something. */
function guarded(key: string, revision: number | undefined, request: RequestOpInit) {
  const exists = { target: CompareTarget.VERSION, result: CompareResult.GREATER, key: text(key), version: 0 };
  return {
    compare: [revision === undefined ? exists : modRevisionIs(key, revision)],
    success: [request],
    failure: [{ requestRange: { key: text(key) } }],
  };
}

function modRevisionIs(key: string, modRevision: number) {
  return { target: CompareTarget.MOD, result: CompareResult.EQUAL, key: text(key), modRevision };
}

function guardedOutcome({ header, succeeded, responses }: TxnResponse): Outcome {
  const [response] = responses;
  if (!succeeded) return { type: 'failed', reason: response!.responseRange!.kvs.length > 0 ? 'conflict' : 'absent' };
  const previous = response!.responsePut?.prevKv ?? response!.responseDeleteRange?.prevKvs[0];
  return { type: 'ok', revision: header.revision, previous: previous ? storedOf(previous) : null };
}

function bytesOf(contents: Contents): Buffer {
  return text(JSON.stringify(contents));
}

export function storedOf({ key, value, modRevision, createRevision }: KeyValue): Stored {
  const contents = JSON.parse(value.toString());
  return { key: key.toString(), contents, revision: modRevision, created: createRevision };
}

/** Only what etcd itself refused is certainly without effect. */
function outcomeOf(error: unknown): Outcome {
  const message = String(error);
  if (!(error instanceof EtcdError)) throw error;
  if (error.maybeApplied) return { type: 'unknown', message };
  const reason: Failed['reason'] = error.code === Code.OUT_OF_RANGE ? 'expired' : 'refused';
  return { type: 'failed', reason, message };
}
