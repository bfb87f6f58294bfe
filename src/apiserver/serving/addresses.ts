/** Where others reach this server, and the names its own certificate must carry. */
import { hostname, networkInterfaces } from 'node:os';
import type { ApiServerConfiguration } from '../options.ts';
import { addressAt, type IpRange } from '../services/ip-range.ts';

/** --advertise-address, or the address listened on, or the machine's first that others can see. */
export function advertiseAddressOf(options: ApiServerConfiguration): string {
  if (options.advertiseAddress !== '') return options.advertiseAddress;
  if (!['', '0.0.0.0', '::'].includes(options.bindAddress)) return options.bindAddress;
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find((a) => a.family === 'IPv4' && !a.internal)?.address ?? '127.0.0.1';
}

export function certificateNames(advertiseAddress: string, bindAddress: string, clusterIpRange: IpRange): string[] {
  const names = [
    hostname(),
    'localhost',
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    '127.0.0.1',
    '::1',
    addressAt(clusterIpRange, 1n),
    advertiseAddress,
    bindAddress,
  ];
  return [...new Set(names)].filter((n) => !['', '0.0.0.0', '::'].includes(n));
}
