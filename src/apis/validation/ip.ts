/** IP addresses and CIDRs: their texts, and whether one range lies within another. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';

export interface IpAddress {
  family: 'IPv4' | 'IPv6';
  bits: bigint;
}

export interface Cidr extends IpAddress {
  prefix: number;
}

export function ipAddress(field: string, text: string): FieldError[] {
  return parseIp(text)
    ? []
    : [fieldError.invalid(field, text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
}

export function cidr(field: string, text: string): FieldError[] {
  return parseCidr(text)
    ? []
    : [fieldError.invalid(field, text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
}

/** Addresses that name no other host: unspecified, loopback, link-local. */
export function routableIp(field: string, text: string): FieldError[] {
  const ip = parseIp(text);
  if (!ip) return [fieldError.invalid(field, text, 'must be a valid IP address')];
  const wrong = specialRanges.filter(([ranges]) => ranges.some((range) => within(ip, range)));
  return wrong.map(([, message]) => fieldError.invalid(field, text, message));
}

export function parseIp(text: string): IpAddress | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length = '', ...rest] = text.split('/');
  const ip = parseIp(address);
  const prefix = /^(0|[1-9]\d{0,2})$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY;
  return ip && rest.length === 0 && prefix <= width(ip) ? { ...ip, prefix } : undefined;
}

/** Whether `inner` (an address, or a range) lies in `outer`. */
export function within(inner: IpAddress | Cidr, outer: Cidr): boolean {
  const shift = BigInt(width(outer) - outer.prefix);
  const prefix = 'prefix' in inner ? inner.prefix : width(inner);
  return inner.family === outer.family && prefix >= outer.prefix && inner.bits >> shift === outer.bits >> shift;
}

function width(ip: IpAddress): number {
  return ip.family === 'IPv4' ? 32 : 128;
}

function parseIpv4(text: string): IpAddress | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256)) return undefined;
  return { family: 'IPv4', bits: parts.reduce((bits, p) => (bits << 8n) | BigInt(p), 0n) };
}

function parseIpv6(text: string): IpAddress | undefined {
  let hex = text;
  const lastColon = text.lastIndexOf(':');
  if (text.includes('.')) {
    const tail = parseIpv4(text.slice(lastColon + 1));
    if (!tail) return undefined;
    hex = `${text.slice(0, lastColon)}:${(tail.bits >> 16n).toString(16)}:${(tail.bits & 0xffffn).toString(16)}`;
  }
  const halves = hex.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head!.length - (tail?.length ?? 0);
  if (tail ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head!, ...new Array<string>(missing).fill('0'), ...(tail ?? [])];
  if (!groups.every((g) => /^[0-9a-f]{1,4}$/i.test(g))) return undefined;
  return { family: 'IPv6', bits: groups.reduce((bits, g) => (bits << 16n) | BigInt(`0x${g}`), 0n) };
}

const specialRanges: [ranges: Cidr[], message: string][] = [
  [ranges('0.0.0.0/32', '::/128'), 'may not be unspecified (0.0.0.0 or ::)'],
  [ranges('127.0.0.0/8', '::1/128'), 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  [ranges('169.254.0.0/16', 'fe80::/10'), 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
  [ranges('224.0.0.0/24', 'ff02::/16'), 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
];

function ranges(...texts: string[]): Cidr[] {
  return texts.map((text) => parseCidr(text)!);
}
