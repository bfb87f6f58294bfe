/** Files the command line names, read once at start; what is wrong with one is said in a line that names its flag. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KeyPairPem } from '#base/certificates.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import { faultOf } from '#base/serving-certificate.ts';

export function readFileOf(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new OperatorError(`cannot read ${path} (${(cause as NodeJS.ErrnoException).code}): check --${flag}`, {
      cause,
    });
  }
}

/** What `read` makes of a file; what it throws becomes an OperatorError. */
export function parseFileOf<T>(flag: string, path: string, read: (text: string) => T): T {
  const text = readFileOf(flag, path);
  try {
    return read(text);
  } catch (cause) {
    throw new OperatorError(`${path} of --${flag} is no good: ${messageOf(cause)}`, { cause });
  }
}

/** Certificates of authorities, one at least. */
export function readAuthorities(flag: string, path: string): string {
  return parseFileOf(flag, path, (text) => {
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it holds no PEM certificate');
    new X509Certificate(text);
    return text;
  });
}

/** A certificate and its key that this server shows to others as a client. */
export function readClientPair(certFlag: string, cert: string, keyFlag: string, key: string, clock: Clock): KeyPairPem {
  const pair = { cert: readFileOf(certFlag, cert), key: readFileOf(keyFlag, key) };
  const fault = faultOf(pair, clock);
  if (!fault) return pair;
  const [flag, path] = fault.isKey ? [keyFlag, key] : [certFlag, cert];
  throw new OperatorError(`${path} of --${flag} is no good: ${fault.why}`);
}
