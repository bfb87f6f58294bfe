/**
 * A self-signed server certificate (X.509 v3 in DER, RFC 5280), for a server that was given none. Written out by hand:
 * loading a certificate library would cost more than the whole rest of a start.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { parseIp } from '../services/ip-range.ts';

export interface CertificatePair {
  /** PEM. */
  cert: string;
  key: string;
}

const lifetimeMs = 365 * 24 * 3600 * 1000;

/** For these DNS names and IP addresses, valid from a little before `now` (ms) for a year. */
export function selfSignedCertificate(names: readonly string[], now: number): CertificatePair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const subject = sequence(
    set(sequence(oid(commonName), der(0x0c, Buffer.from(`evenkeel@${Math.floor(now / 1000)}`)))),
  );
  const tbs = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
    sequence(oid(ecdsaWithSha256)),
    subject,
    sequence(time(now - 3_600_000), time(now + lifetimeMs)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions(names))),
  );
  const signature = sign('sha256', tbs, privateKey);
  const certificate = sequence(tbs, sequence(oid(ecdsaWithSha256)), bitString(signature));
  return { cert: pem('CERTIFICATE', certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

const commonName = [2, 5, 4, 3];
const ecdsaWithSha256 = [1, 2, 840, 10045, 4, 3, 2];
const basicConstraints = [2, 5, 29, 19];
const keyUsage = [2, 5, 29, 15];
const extendedKeyUsage = [2, 5, 29, 37];
const serverAuth = [1, 3, 6, 1, 5, 5, 7, 3, 1];
const subjectAltName = [2, 5, 29, 17];

/** It is its own authority, so that a client may trust the file itself. */
function extensions(names: readonly string[]): Buffer[] {
  const altNames = names.map((name) => {
    const ip = parseIp(name);
    if (!ip) return der(0x82, Buffer.from(name));
    const hex = ip.value.toString(16).padStart(ip.family === 'IPv4' ? 8 : 32, '0');
    return der(0x87, Buffer.from(hex, 'hex'));
  });
  const critical = der(0x01, Buffer.from([0xff]));
  const digitalSignatureAndCertSign = Buffer.from([0x02, 0x84]);
  return [
    sequence(oid(basicConstraints), critical, octets(sequence(critical))),
    sequence(oid(keyUsage), critical, octets(der(0x03, digitalSignatureAndCertSign))),
    sequence(oid(extendedKeyUsage), octets(sequence(oid(serverAuth)))),
    sequence(oid(subjectAltName), octets(sequence(...altNames))),
  ];
}

/** Tag, length, value. */
function der(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const head =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), value]);
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const set = (...parts: Buffer[]): Buffer => der(0x31, Buffer.concat(parts));
const integer = (bytes: Buffer): Buffer => der(0x02, bytes);
const octets = (bytes: Buffer): Buffer => der(0x04, bytes);
const bitString = (bytes: Buffer): Buffer => der(0x03, Buffer.concat([Buffer.from([0]), bytes]));

/** GeneralizedTime would be for 2050 and later; UTCTime before. */
function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return text < '2050' ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}

function oid([first, second, ...rest]: readonly number[]): Buffer {
  const bytes = [first! * 40 + second!];
  for (const arc of rest) {
    const groups = [arc & 127];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 127) | 128);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
