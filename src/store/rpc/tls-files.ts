import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { OperatorError } from '#base/errors.ts';
import type { ListenerTls } from './listener.ts';

export interface TlsFiles {
  cert: string;
  key: string;
  /** Empty: no client certificates are asked for. */
  ca: string;
  allowedCommonNames: readonly string[];
}

/** Reads and checks them now, so that a wrong file is named at the start and not by every client. `now`: epoch ms. */
export function readTlsFiles({ cert, key, ca, allowedCommonNames }: TlsFiles, now: number): ListenerTls {
  const tls = {
    cert: read('cert-file', cert),
    key: read('key-file', key),
    ...(ca && { clientCa: read('trusted-ca-file', ca) }),
    allowedCommonNames,
  };
  const certificate = parse('cert-file', cert, () => new X509Certificate(tls.cert));
  if (certificate.validToDate.getTime() < now) {
    throw new OperatorError(`--cert-file: ${cert} expired on ${certificate.validTo}: renew it`);
  }
  const privateKey = parse('key-file', key, () => createPrivateKey(tls.key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new OperatorError(`--key-file: ${key} is not the key of ${cert}: give the pair`);
  }
  if (tls.clientCa) parse('trusted-ca-file', ca, () => new X509Certificate(tls.clientCa!));
  return tls;
}

function read(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new OperatorError(`--${flag}: cannot read ${path}: ${code}; give a file in PEM form`);
  }
}

function parse<T>(flag: string, path: string, parsed: () => T): T {
  try {
    return parsed();
  } catch {
    throw new OperatorError(`--${flag}: ${path} is not what it should be: give a file in PEM form`);
  }
}
