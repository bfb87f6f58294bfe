/** Files the command line names, read once at start; what is wrong with one is said in a line that names its flag. */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, OperatorError } from '#base/errors.ts';
import type { ApiServerConfiguration } from '../options.ts';
import { type CertificatePair, selfSignedCertificate } from './self-signed-certificate.ts';

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

/** The server's certificate and key: given, found in --cert-dir, or made there. */
export function servingCertificate(
  options: ApiServerConfiguration,
  names: readonly string[],
  now: number,
): CertificatePair {
  const { tlsCertFile, tlsPrivateKeyFile, certDir } = options;
  if (tlsCertFile !== '' || tlsPrivateKeyFile !== '') {
    if (tlsCertFile === '' || tlsPrivateKeyFile === '')
      throw new OperatorError('--tls-cert-file and --tls-private-key-file belong together: give both or none');
    const cert = parseFileOf('tls-cert-file', tlsCertFile, (pem) => checkCertificate(pem, now));
    return { cert, key: readFileOf('tls-private-key-file', tlsPrivateKeyFile) };
  }
  const [certPath, keyPath] = [join(certDir, 'apiserver.crt'), join(certDir, 'apiserver.key')];
  const existing = readPair(certPath, keyPath, now);
  if (existing) return existing;
  const made = selfSignedCertificate(names, now);
  try {
    mkdirSync(certDir, { recursive: true, mode: 0o700 });
    writeFileSync(certPath, made.cert, { mode: 0o644 });
    writeFileSync(keyPath, made.key, { mode: 0o600 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new OperatorError(
      `cannot write a certificate to ${certDir} (${code}): choose another --cert-dir, or give --tls-cert-file and --tls-private-key-file`,
      { cause },
    );
  }
  return made;
}

/** What an earlier start left, unless it has expired. */
function readPair(certPath: string, keyPath: string, now: number): CertificatePair | undefined {
  try {
    return { cert: checkCertificate(readFileSync(certPath, 'utf8'), now), key: readFileSync(keyPath, 'utf8') };
  } catch {
    return undefined;
  }
}

function checkCertificate(pem: string, now: number): string {
  const certificate = new X509Certificate(pem);
  if (Date.parse(certificate.validTo) < now) throw new Error(`it expired on ${certificate.validTo}: issue a new one`);
  return pem;
}
