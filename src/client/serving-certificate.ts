import { webcrypto } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
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

const yearMs = 365 * 24 * 3_600_000;

/** The files the operator named, or the kept pair, or a new self-signed one: what upstream's components do. */
export async function servingCertificate(options: ServingCertificateOptions): Promise<ServingCertificate> {
  const { certFile, keyFile, certDir, name } = options;
  if (Boolean(certFile) !== Boolean(keyFile)) {
    throw new OperatorError('give both --tls-cert-file and --tls-private-key-file, or neither');
  }
  if (certFile && keyFile) {
    return { cert: await read(certFile, '--tls-cert-file'), key: await read(keyFile, '--tls-private-key-file') };
  }
  if (!certDir) return selfSigned(options);
  const certPath = join(certDir, `${name}.crt`);
  const keyPath = join(certDir, `${name}.key`);
  try {
    return { cert: await readFile(certPath, 'utf8'), key: await readFile(keyPath, 'utf8') };
  } catch {
    const made = await selfSigned(options);
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

async function selfSigned({ name, hosts, clock }: ServingCertificateOptions): Promise<ServingCertificate> {
  // The library declares its tokens with decorators, whose metadata it expects to be able to store.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const all = [...new Set(['localhost', '127.0.0.1', ...hosts])];
  const now = clock.now();
  const cert = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${name}@${Math.floor(now / 1000)}`,
      notBefore: new Date(now - 3_600_000),
      notAfter: new Date(now + yearMs),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.SubjectAlternativeNameExtension(
          all.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
        ),
      ],
    },
    webcrypto as unknown as Crypto,
  );
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const pem = `-----BEGIN PRIVATE KEY-----\n${key.replace(/(.{64})(?=.)/g, '$1\n')}\n-----END PRIVATE KEY-----\n`;
  return { cert: `${cert.toString('pem')}\n`, key: pem };
}
