/** A CA and certificates of it in a directory, for tests. */
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const day = 24 * 3_600_000;

export interface CertificateFiles {
  cert: string;
  key: string;
}

export async function makeAuthority(dir: string, name: string) {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys: keys as any,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [new x509.BasicConstraintsExtension(true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign)],
  });
  const caFile = join(dir, `${name}.crt`);
  writeFileSync(caFile, ca.toString('pem'));
  return {
    caFile,
    /** '' : without a common name, as etcd's gRPC proxy wants its own. */
    async issue(commonName: string, notAfter = validity.notAfter): Promise<CertificateFiles> {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const certificate = await x509.X509CertificateGenerator.create({
        subject: commonName === '' ? 'O=proxies' : `CN=${commonName}`,
        issuer: ca.subject,
        publicKey: own.publicKey as any,
        signingKey: keys.privateKey as any,
        signingAlgorithm: algorithm,
        notBefore: validity.notBefore,
        notAfter,
        extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
      });
      const files = { cert: join(dir, `${name}-${commonName}.crt`), key: join(dir, `${name}-${commonName}.key`) };
      writeFileSync(files.cert, certificate.toString('pem'));
      const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey)).toString('base64');
      writeFileSync(files.key, `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`, { mode: 0o600 });
      return files;
    },
  };
}
