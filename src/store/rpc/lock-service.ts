/** v3lock: a lock is had by whoever made the first key under its name (contender.ts), until that key is gone. */
import type { Lock } from '#etcd/rpc.ts';
import { emptyBuffer } from '#etcd/wire.ts';
import type { Store } from '../store.ts';
import { errors } from '../store-error.ts';
import { enter, range, whenFirst, withoutCodes } from './contender.ts';
import type { HeaderOf, Unary } from './grpc-service.ts';

type LockHandlers = { [K in keyof typeof Lock]: Unary<(typeof Lock)[K]> };

export function lockService(store: Store, headerOf: HeaderOf): LockHandlers {
  return withoutCodes<LockHandlers>({
    async lock({ name, lease }, _bytes, call) {
      const contender = await enter(store, name, lease, emptyBuffer);
      const { key } = contender;
      await whenFirst(store, name, contender, call);
      // Whose lease ran out while it waited has no key any more.
      const { kvs, header } = await range(store, { key });
      if (kvs[0]?.createRevision !== contender.createRevision) throw errors.sessionExpired();
      return { header: headerOf(header.revision), key };
    },
    async unlock({ key }) {
      if (key.length === 0) throw errors.emptyKey();
      const { header } = await store.deleteRange({ key, rangeEnd: emptyBuffer, prevKv: false });
      return { header: headerOf(header!.revision) };
    },
  });
}
