import { AsyncLocalStorage } from 'node:async_hooks';
import { type EtcdKv, KvError, type RangeRequest, type TxnRequest } from '../etcd3/kv.ts';
import type { FakeEtcd } from './fake-etcd.ts';

/** What becomes of a transaction's answer. `unconnected`: it was never sent. `full`: the store has no room. */
export type Loss = 'none' | 'before' | 'after' | 'unconnected' | 'full';

/** One client's wish, and what the network and others do to it. */
export class Wish {
  readonly key: string;
  /** By its tries; those after the last are answered. */
  readonly losses: readonly Loss[];
  /**
   * Asked at each point where others may come between: before and after the store executes each request of this wish.
   * The points are numbered from 0.
   */
  readonly meanwhile: (point: number) => void | Promise<void>;
  /** The revisions that this wish's transactions made. */
  readonly applied: number[] = [];
  points = 0;
  tries = 0;

  constructor(key: string, losses: readonly Loss[], meanwhile: (point: number) => void | Promise<void> = () => {}) {
    this.key = key;
    this.losses = losses;
    this.meanwhile = meanwhile;
  }
}

const wishes = new AsyncLocalStorage<Wish>();

/** What `body` asks of a lossy store is asked for this wish. */
export function wishing<T>(wish: Wish, body: () => Promise<T>): Promise<T> {
  return wishes.run(wish, body);
}

/** `etcd` behind a network that loses answers as each wish says, and a book of whose transaction did what. */
export function lossyKv(etcd: FakeEtcd): EtcdKv {
  return {
    range: async (request: RangeRequest) => {
      const wish = wishes.getStore();
      await wish?.meanwhile(wish.points++);
      const response = await etcd.range(request);
      await wish?.meanwhile(wish.points++);
      return response;
    },
    txn: async (request: TxnRequest) => {
      const wish = wishes.getStore();
      if (!wish) return etcd.txn(request);
      const loss = wish.losses[wish.tries++] ?? 'none';
      await wish.meanwhile(wish.points++);
      if (loss === 'before') throw lost();
      if (loss === 'unconnected') throw new KvError('unavailable', 'no connection');
      if (loss === 'full') throw new KvError('noSpace', 'etcdserver: mvcc: database space exceeded');
      const response = await etcd.txn(request);
      if (response.succeeded) wish.applied.push(response.revision);
      await wish.meanwhile(wish.points++);
      if (loss === 'after') throw lost();
      return response;
    },
    grantLease: () => etcd.grantLease(),
    version: () => etcd.version(),
    compact: (revision) => etcd.compact(revision),
    condition: () => etcd.condition(),
    watch: (request, sink) => etcd.watch(request, sink),
  };
}

function lost(): KvError {
  return new KvError('unavailable', 'connection lost', { maybeApplied: true });
}
