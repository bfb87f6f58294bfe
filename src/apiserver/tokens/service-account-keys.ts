/** PEM files of --service-account-key-file and --service-account-signing-key-file, turned into keys. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { type SigningKey, signingKey, type VerificationKey, verificationKey } from './jwt.ts';

/** Every key of a file: public keys, private keys (their public half), certificates. Throws when there is none. */
export function parseVerificationKeys(pem: string): VerificationKey[] {
  const blocks = pem.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  const keys = blocks
    .filter((block) => !block.includes('EC PARAMETERS'))
    .map((block) => {
      if (block.includes('BEGIN CERTIFICATE')) return verificationKey(new X509Certificate(block).publicKey);
      return verificationKey(block.includes('PRIVATE KEY') ? createPrivateKey(block) : createPublicKey(block));
    });
  if (keys.length === 0) throw new Error('it holds no PEM key');
  return keys;
}

export function parseSigningKey(pem: string): SigningKey {
  const block = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/.exec(pem)?.[0];
  if (!block) throw new Error('it holds no private key');
  return signingKey(createPrivateKey(block));
}
