/**
 * Cluster addresses. An address is taken by creating the IPAddress object named after it, so that the store decides
 * between two servers; it is free again when the object is gone.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import { withIdentity } from '../bootstrap/ensure-objects.ts';
import type { Registry } from '../registry/registry.ts';
import { addressAt, contains, type IpRange, parseIp } from './ip-range.ts';

export interface ServiceName {
  namespace: string;
  name: string;
}

/** Why a wanted address was not given; upstream's words. */
export class AllocationError extends Error {
  override name = 'AllocationError';
}

export interface IpAllocator {
  /** The wanted address, or any. `dryRun` only looks. */
  allocate(owner: ServiceName, wanted: string | undefined, dryRun: boolean): Promise<string>;
  /** Only if it is still the owner's. */
  release(owner: ServiceName, address: string): Promise<void>;
}

const group = 'networking.k8s.io';
/** The low part of a range is left to those who ask for an address of their choice: a sixteenth, 16 to 256. */
const staticPart = (size: bigint) => clamp(size / 16n, 16n, 256n);
/** Tries to create, before giving up, when others are faster. */
const attemptsMax = 64;

export function createIpAllocator(registry: Registry, range: IpRange, clock: Clock, random: () => number): IpAllocator {
  const target = registry.resource(group, 'ipaddresses')!;
  const lister = registry.lister(group, 'ipaddresses');
  /** Without the network's own address and, for IPv4, the broadcast address. */
  const last = range.size - (range.family === 'IPv4' ? 2n : 1n);

  const isTaken = (address: string) => lister.get('', address) !== undefined;
  const take = async (owner: ServiceName, address: string, dryRun: boolean): Promise<boolean> => {
    const key = target.key('', address);
    if (dryRun) return (await target.storage.get(key)) === undefined;
    return (
      (await target.storage.create(key, withIdentity(ipAddress(address, range.family, owner), clock))) !== undefined
    );
  };
  const scan = async (owner: ServiceName, first: bigint, end: bigint, dryRun: boolean): Promise<string | undefined> => {
    if (first > end) return undefined;
    const count = end - first + 1n;
    const start = BigInt(Math.floor(random() * Number(count)));
    let attempts = 0;
    for (let i = 0n; i < count && attempts < attemptsMax; i++) {
      const address = addressAt(range, first + ((start + i) % count));
      if (isTaken(address)) continue;
      attempts++;
      if (await take(owner, address, dryRun)) return address;
    }
    return undefined;
  };
  return {
    async allocate(owner, wanted, dryRun) {
      if (wanted !== undefined) {
        if (!contains(range, wanted))
          throw new AllocationError('the provided network does not match the current range');
        if (isTaken(wanted) || !(await take(owner, wanted, dryRun)))
          throw new AllocationError('provided IP is already allocated');
        return wanted;
      }
      const reserved = staticPart(range.size);
      const found =
        (await scan(owner, reserved + 1n, last, dryRun)) ?? (await scan(owner, 1n, clamp(reserved, 1n, last), dryRun));
      if (found === undefined) throw new AllocationError('range is full');
      return found;
    },
    async release(owner, address) {
      if (!parseIp(address)) return;
      await target.storage.guaranteedUpdate(target.key('', address), (current) =>
        current && isOwnedBy(current, owner) ? undefined : current,
      );
    },
  };
}

function ipAddress(name: string, family: string, owner: ServiceName): KubeObject {
  return {
    apiVersion: `${group}/v1`,
    kind: 'IPAddress',
    metadata: {
      name,
      labels: {
        'ipaddress.kubernetes.io/ip-family': family,
        'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
      },
    },
    spec: { parentRef: { resource: 'services', namespace: owner.namespace, name: owner.name } },
  };
}

function isOwnedBy(address: KubeObject, owner: ServiceName): boolean {
  const parent = address['spec']?.parentRef;
  return parent?.namespace === owner.namespace && parent?.name === owner.name;
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value;
}
