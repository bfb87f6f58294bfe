/** v3election: the leader is whoever made the first key under the election's name (contender.ts). */
import type { Logger } from '#base/log.ts';
import type { LeaderKey } from '#etcd/concurrency-messages.ts';
import { EventType, type KeyValue } from '#etcd/key-value.ts';
import { CompareResult, CompareTarget } from '#etcd/messages.ts';
import type { Election } from '#etcd/rpc.ts';
import { keyRange, latin1 } from '../mvcc/kv-store.ts';
import type { Store } from '../store.ts';
import { errors } from '../store-error.ts';
import { enter, first, keyPrefix, leave, txnRequest, whenFirst, withoutCodes } from './contender.ts';
import type { ServerStream } from './grpc-server.ts';
import { grpcError, type HeaderOf, type Unary } from './grpc-service.ts';
import { type LocalWatch, watchLocally } from './local-watch.ts';

type ElectionMethods = Omit<typeof Election, 'observe'>;
type ObserveStream = ServerStream<{ name: Buffer }, unknown>;

export function electionService(store: Store, headerOf: HeaderOf, log: Logger) {
  /** A leader's new value; the revision, or undefined when it is not leader any more. */
  const proclaim = async (key: Buffer, lease: bigint, createRevision: number, value: Buffer) => {
    const { header, succeeded } = await store.txn(
      txnRequest({
        compare: [{ key, target: CompareTarget.CREATE, result: CompareResult.EQUAL, createRevision }],
        success: [{ requestPut: { key, value, lease } }],
      }),
    );
    return succeeded ? header.revision : undefined;
  };

  const unary: { [K in keyof ElectionMethods]: Unary<ElectionMethods[K]> } = {
    async campaign({ name, lease, value }, _bytes, call) {
      const contender = await enter(store, name, lease, value);
      const { key, createRevision, found } = contender;
      if (found && !found.value.equals(value)) {
        if (!(await proclaim(key, contender.lease, createRevision, value))) throw errors.notLeader();
      }
      await whenFirst(store, name, contender, call);
      const leader = { name, key, rev: createRevision, lease: contender.lease };
      return { header: headerOf(contender.revision), leader };
    },
    async proclaim({ leader, value }) {
      const { key, lease, rev } = required(leader);
      const revision = await proclaim(key, lease, rev, value);
      if (revision === undefined) throw errors.notLeader();
      return { header: headerOf(revision) };
    },
    async leader({ name }) {
      const { header, kvs } = await first(store, name);
      if (kvs.length === 0) throw errors.noLeader();
      return { header: headerOf(header.revision), kv: kvs[0] };
    },
    async resign({ leader }) {
      const { key, rev } = required(leader);
      return { header: headerOf(await leave(store, key, rev)) };
    },
  };

  /** Every leader and every value it proclaims, from the present one on. */
  const observe = (stream: ObserveStream) => {
    const { name } = stream.request.body;
    let watch: LocalWatch | undefined;
    let isOver = false;
    let wake = () => {};
    const end = () => {
      isOver = true;
      watch?.close();
      wake();
    };
    const open = (next: LocalWatch): LocalWatch => {
      watch?.close();
      watch = next;
      if (isOver) watch.close();
      return watch;
    };
    const send = async (kv: KeyValue, revision: number) => {
      if (isOver || stream.write({ header: headerOf(revision), kv })) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    };
    stream.on('drain', () => wake());
    stream.on('cancelled', end);
    stream.on('close', end);
    stream.on('error', end);
    follow(store, name, open, send, () => isOver).then(
      () => stream.end(),
      (error: unknown) => stream.emit('error', grpcError(error, log)),
    );
  };
  return { ...withoutCodes(unary), observe };
}

async function follow(
  store: Store,
  name: Buffer,
  open: (watch: LocalWatch) => LocalWatch,
  send: (kv: KeyValue, revision: number) => Promise<void>,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    const { header, kvs } = await first(store, name);
    let [leader] = kvs;
    let revision = header.revision;
    if (!leader) {
      leader = await firstPut(open(watchLocally(store.watches, prefixOf(name), revision + 1)));
      if (!leader) continue;
      revision = leader.modRevision;
    }
    await send(leader, revision);
    const own = { key: latin1(leader.key), end: undefined };
    const watch = open(watchLocally(store.watches, own, revision + 1));
    for (let isLeading = true; isLeading; ) {
      const events = await watch.next();
      if (!events) break;
      for (const { type, kv } of events) {
        isLeading = type !== EventType.DELETE;
        if (!isLeading) break;
        await send(kv, kv.modRevision);
      }
    }
  }
}

async function firstPut(watch: LocalWatch): Promise<KeyValue | undefined> {
  for (;;) {
    const events = await watch.next();
    if (!events) return undefined;
    const put = events.find(({ type }) => type === EventType.PUT);
    if (put) return put.kv;
  }
}

function prefixOf(name: Buffer) {
  const prefix = keyPrefix(name);
  const end = Buffer.from(prefix);
  end[end.length - 1]!++;
  return keyRange(prefix, end);
}

function required(leader: LeaderKey | undefined): LeaderKey {
  if (!leader) throw errors.leaderMissing();
  return leader;
}
