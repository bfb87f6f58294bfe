/** Addresses as numbers: the ranges of --service-cluster-ip-range, IPv4 and IPv6. */
import { isIPv4, isIPv6 } from 'node:net';

export interface IpRange {
  family: 'IPv4' | 'IPv6';
  /** The network address. */
  base: bigint;
  /** How many addresses, network and broadcast included. */
  size: bigint;
  prefixLength: number;
}

export function parseCidr(text: string): IpRange | undefined {
  const slash = text.lastIndexOf('/');
  const ip = slash < 0 ? undefined : parseIp(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (!ip || !/^\d{1,3}$/.test(length)) return undefined;
  const bits = ip.family === 'IPv4' ? 32 : 128;
  const prefixLength = Number(length);
  if (prefixLength > bits) return undefined;
  const size = 1n << BigInt(bits - prefixLength);
  return { family: ip.family, base: ip.value - (ip.value % size), size, prefixLength };
}

export function contains(range: IpRange, address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && ip.family === range.family && ip.value >= range.base && ip.value < range.base + range.size;
}

/** The address `offset` places into the range. */
export function addressAt(range: IpRange, offset: bigint): string {
  return formatIp(range.base + offset, range.family);
}

export function parseIp(text: string): { family: 'IPv4' | 'IPv6'; value: bigint } | undefined {
  if (isIPv4(text))
    return { family: 'IPv4', value: text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n) };
  if (!isIPv6(text) || text.includes('%') || text.includes('.')) return undefined;
  const [head = '', tail] = text.split('::') as [string, string?];
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  const value = [...left, ...zeros, ...right].reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
  return { family: 'IPv6', value };
}

/** Canonical text: RFC 5952 for IPv6. */
export function formatIp(value: bigint, family: 'IPv4' | 'IPv6'): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  const text = groups.join(':');
  let longest = '';
  for (const [run] of text.matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g))
    if (run.length > longest.length) longest = run;
  if (longest === '') return text;
  const at = text.indexOf(longest);
  return `${text.slice(0, at).replace(/:$/, '')}::${text.slice(at + longest.length).replace(/^:/, '')}`;
}
