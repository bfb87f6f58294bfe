/**
 * The certificate a server shows, by upstream's rules: the files the operator named; else the pair kept in --cert-dir;
 * else a new self-signed one, kept there. What is wrong with a file is said in one line, with its flag.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { KeyPairPem } from './certificates.ts';
import type { Clock } from './clock.ts';
import { messageOf, OperatorError } from './errors.ts';

export interface ServingCertificateOptions {
  /** --tls-cert-file and --tls-private-key-file: both or neither. */
  certFile?: string;
  keyFile?: string;
  /** Where a self-signed pair is kept as `<name>.crt` and `<name>.key`; absent: in memory only. */
  certDir?: string;
  name: string;
  /** Names and addresses the self-signed certificate is for, besides localhost. */
  hosts: readonly string[];
  clock: Clock;
}

export async function servingCertificate(options: ServingCertificateOptions): Promise<KeyPairPem> {
  const { certFile, keyFile, certDir, name, hosts, clock } = options;
  if (Boolean(certFile) !== Boolean(keyFile)) {
    throw new OperatorError('--tls-cert-file and --tls-private-key-file belong together: give both or neither');
  }
  if (certFile && keyFile) {
    const pair = { cert: await read(certFile, 'tls-cert-file'), key: await read(keyFile, 'tls-private-key-file') };
    const wrong = faultOf(pair, clock);
    if (wrong)
      throw new OperatorError(
        `${wrong.isKey ? keyFile : certFile} of --tls-${wrong.isKey ? 'private-key' : 'cert'}-file is no good: ${wrong.why}`,
      );
    return pair;
  }
  const paths = certDir && { cert: join(certDir, `${name}.crt`), key: join(certDir, `${name}.key`) };
  const kept = paths && (await readKept(paths, clock));
  if (kept) return kept;
  // Loading the library takes longer than most of a start, and most starts find a certificate.
  const { selfSigned } = await import('./certificates.ts');
  const made = await selfSigned(name, hosts, clock);
  if (paths) await keep(made, paths);
  return made;
}

async function readKept(paths: { cert: string; key: string }, clock: Clock): Promise<KeyPairPem | undefined> {
  try {
    const pair = { cert: await readFile(paths.cert, 'utf8'), key: await readFile(paths.key, 'utf8') };
    return faultOf(pair, clock) ? undefined : pair;
  } catch {
    return undefined;
  }
}

async function keep(pair: KeyPairPem, paths: { cert: string; key: string }): Promise<void> {
  const directory = dirname(paths.cert);
  try {
    await makeDirectory(directory);
    await writeFile(paths.key, pair.key, { mode: 0o600 });
    await writeFile(paths.cert, pair.cert, { mode: 0o644 });
  } catch (cause) {
    throw new OperatorError(
      `cannot keep a certificate in ${directory} (${messageOf(cause)}): choose another --cert-dir, or give --tls-cert-file and --tls-private-key-file`,
      { cause },
    );
  }
}

/** Step by step: Node's recursive mkdir never returns below some virtual file systems (/proc). */
async function makeDirectory(path: string): Promise<void> {
  const make = () =>
    mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await make();
  }
}

/** Why a pair cannot be shown to anybody; undefined: it can. */
export function faultOf(
  { cert, key }: KeyPairPem,
  clock: Pick<Clock, 'now'>,
): { isKey: boolean; why: string } | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch {
    return { isKey: false, why: 'it holds no PEM certificate' };
  }
  if (Date.parse(certificate.validTo) < clock.now()) {
    return { isKey: false, why: `it expired on ${certificate.validTo}: issue a new one` };
  }
  try {
    if (certificate.checkPrivateKey(createPrivateKey(key))) return undefined;
    return { isKey: true, why: 'it is not the key of the certificate' };
  } catch {
    return { isKey: true, why: 'it holds no PEM private key' };
  }
}

async function read(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new OperatorError(`cannot read ${path} (${(cause as NodeJS.ErrnoException).code}): check --${flag}`, {
      cause,
    });
  }
}
