import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';

export interface ServingCertificateOptions {
  /** --tls-cert-file and --tls-private-key-file: both or neither. */
  certFile?: string;
  keyFile?: string;
  /** Where a self-signed pair is kept as `<name>.crt` and `<name>.key`; absent: in memory only. */
  certDir?: string;
  name: string;
  /** Names and addresses the self-signed certificate is for, besides localhost. */
  hosts: string[];
  clock: Clock;
}

export interface ServingCertificate {
  cert: string;
  key: string;
}

/** The files the operator named, or the kept pair, or a new self-signed one: what upstream's components do. */
export async function servingCertificate(options: ServingCertificateOptions): Promise<ServingCertificate> {
  const { certFile, keyFile, certDir, name } = options;
  if (Boolean(certFile) !== Boolean(keyFile)) {
    throw new OperatorError('give both --tls-cert-file and --tls-private-key-file, or neither');
  }
  if (certFile && keyFile) {
    return { cert: await read(certFile, '--tls-cert-file'), key: await read(keyFile, '--tls-private-key-file') };
  }
  if (!certDir) return newSelfSigned(options);
  const certPath = join(certDir, `${name}.crt`);
  const keyPath = join(certDir, `${name}.key`);
  try {
    return { cert: await readFile(certPath, 'utf8'), key: await readFile(keyPath, 'utf8') };
  } catch {
    const made = await newSelfSigned(options);
    try {
      await mkdir(certDir, { recursive: true });
      await writeFile(keyPath, made.key, { mode: 0o600 });
      await writeFile(certPath, made.cert);
    } catch (error) {
      throw new OperatorError(`cannot write to --cert-dir ${certDir}: ${messageOf(error)}`);
    }
    return made;
  }
}

async function read(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new OperatorError(`cannot read ${flag} ${path}: ${messageOf(error)}`);
  }
}

async function newSelfSigned({ name, hosts, clock }: ServingCertificateOptions): Promise<ServingCertificate> {
  const { selfSigned } = await import('#base/certificates.ts');
  return selfSigned(name, hosts, clock);
}
