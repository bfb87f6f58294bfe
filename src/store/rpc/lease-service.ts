import type { Lease } from '#etcd/rpc.ts';
import type { Store } from '../store.ts';
import type { ServerStream, Sized } from './grpc-server.ts';
import type { HeaderOf, Unary } from './grpc-service.ts';

type LeaseMethods = Omit<typeof Lease, 'keepAlive'>;

export function leaseService(store: Store, headerOf: HeaderOf) {
  const unary: { [K in keyof LeaseMethods]: Unary<LeaseMethods[K]> } = {
    async grant({ id, ttl }) {
      const lease = await store.leaseGrant(id, ttl);
      return { header: headerOf(store.revision), id: lease.id, ttl: lease.ttlSeconds };
    },
    async revoke({ id }) {
      return { header: headerOf(await store.leaseRevoke(id)) };
    },
    async timeToLive({ id, keys }) {
      await store.settled();
      const header = headerOf(store.revision);
      const lease = store.lessor.get(id);
      if (!lease) return { header, id, ttl: -1 };
      return {
        header,
        id,
        ttl: store.lessor.remainingSeconds(lease),
        grantedTtl: lease.ttlSeconds,
        keys: keys ? store.leaseKeys(lease) : [],
      };
    },
    async leases() {
      await store.settled();
      return { header: headerOf(store.revision), leases: store.lessor.ids().map((id) => ({ id })) };
    },
  };

  /** One answer to each request, in order. Renewals are not stored, and so wait for nothing. */
  const keepAlive = (stream: ServerStream<{ id: bigint }, unknown>) => {
    stream.on('data', ({ body: { id } }: Sized<{ id: bigint }>) => {
      const answer = { header: headerOf(store.revision), id, ttl: store.lessor.renew(id) };
      if (!stream.write(answer)) stream.pause();
    });
    stream.on('drain', () => stream.resume());
    stream.on('end', () => stream.end());
    stream.on('error', () => {});
  };
  return { ...unary, keepAlive };
}
