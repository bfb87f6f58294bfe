/**
 * The endpoints of the `kubernetes` service: every server keeps a key of its own alive in the store (masterleases, 15 s),
 * and whoever looks writes down those that are. A server that stops takes itself out first; one that dies is out when
 * its key expires.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { withIdentity } from './ensure-objects.ts';

const leaseSeconds = 15;
const intervalMs = 10_000;
const leasePrefix = '/registry/masterleases/';

export interface EndpointReconciler {
  /** Joins at once. Resolves when this server's address is written. */
  join(): Promise<void>;
  /** Renews until the signal aborts, then leaves. */
  run(signal: AbortSignal): Promise<void>;
  /** Takes this server's address out; it stays out. Idempotent. */
  leave(): Promise<void>;
}

export function createEndpointReconciler(
  registry: Registry,
  address: string,
  port: number,
  clock: Clock,
  log: Logger,
): EndpointReconciler {
  const { raw } = registry.backend;
  const key = leasePrefix + address;
  let left: Promise<void> | undefined;

  const renew = () => {
    const lease = { kind: 'Endpoints', apiVersion: 'v1', metadata: {}, subsets: [{ addresses: [{ ip: address }] }] };
    return raw.put(key, Buffer.from(`${JSON.stringify(lease)}\n`), { ttlSeconds: leaseSeconds });
  };
  const reconcile = async () => {
    const leases = await raw.list(leasePrefix);
    await write(registry, leases.map((l) => l.key.slice(leasePrefix.length)).sort(), port, clock);
  };
  return {
    async join() {
      await renew();
      await reconcile();
    },
    async run(signal) {
      while (!signal.aborted) {
        await sleep(clock, intervalMs, signal);
        if (signal.aborted || left) break;
        try {
          await renew();
          await reconcile();
        } catch (error) {
          log.warn({ error: String(error) }, 'the endpoints of the kubernetes service could not be renewed');
        }
      }
    },
    leave() {
      left ??= raw.delete(key).then(reconcile);
      return left;
    },
  };
}

/** Endpoints and EndpointSlice `kubernetes` hold these addresses; written only when they do not. */
async function write(registry: Registry, addresses: readonly string[], port: number, clock: Clock): Promise<void> {
  const ports = [{ name: 'https', port, protocol: 'TCP' }];
  const subsets = addresses.length > 0 ? [{ addresses: addresses.map((ip) => ({ ip })), ports }] : undefined;
  const isIpv6 = addresses[0]?.includes(':') === true;
  await Promise.all([
    put(registry, clock, '', 'endpoints', {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: {
        name: 'kubernetes',
        namespace: 'default',
        labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' },
      },
      ...(subsets ? { subsets } : {}),
    }),
    put(registry, clock, 'discovery.k8s.io', 'endpointslices', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: 'kubernetes',
        namespace: 'default',
        generation: 1,
        labels: { 'kubernetes.io/service-name': 'kubernetes' },
      },
      addressType: isIpv6 ? 'IPv6' : 'IPv4',
      endpoints: addresses.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
      ports: [{ name: 'https', protocol: 'TCP', port }],
    }),
  ]);
}

async function put(
  registry: Registry,
  clock: Clock,
  group: string,
  resource: string,
  wanted: KubeObject,
): Promise<void> {
  const target = registry.resource(group, resource);
  if (!target) return;
  const { metadata, ...content } = wanted;
  await target.storage.guaranteedUpdate(target.key('default', 'kubernetes'), (current) => {
    if (!current) return withIdentity(wanted, clock);
    const { metadata: own, ...rest } = current;
    if (own.deletionTimestamp || JSON.stringify(sorted(rest)) === JSON.stringify(sorted(content))) return current;
    const generation = own.generation === undefined ? {} : { generation: own.generation + 1 };
    return { ...wanted, metadata: { ...own, ...generation, labels: { ...own.labels, ...metadata.labels } } };
  });
}

/** Independent of the order of keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  );
}
