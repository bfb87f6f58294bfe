/**
 * Signed tokens (RFC 7519 over RFC 7515 compact form), as much as service accounts need: RS256 and ES256, straight on
 * node:crypto, because a start-up should not load a library for two calls.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

export interface VerificationKey {
  /** base64url of the SHA-256 of the public key's DER form, as upstream derives it. */
  id: string;
  algorithm: Algorithm;
  publicKey: KeyObject;
}

export interface SigningKey extends VerificationKey {
  privateKey: KeyObject;
}

export type Algorithm = 'RS256' | 'ES256' | 'ES384' | 'ES512';

export interface Jwt {
  header: { alg: string; kid?: string };
  claims: Record<string, any>;
}

export function verificationKey(key: KeyObject): VerificationKey {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return { id: createHash('sha256').update(der).digest('base64url'), algorithm: algorithmOf(publicKey), publicKey };
}

export function signingKey(privateKey: KeyObject): SigningKey {
  return { ...verificationKey(privateKey), privateKey };
}

export function signJwt(key: SigningKey, claims: object): string {
  const head = encode({ alg: key.algorithm, kid: key.id });
  const signed = `${head}.${encode(claims)}`;
  const signature = sign(digestOf(key.algorithm), Buffer.from(signed), {
    key: key.privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  return `${signed}.${signature.toString('base64url')}`;
}

/** The parts of a token, without trusting them; `undefined`: not a JWT. */
export function parseJwt(token: string): Jwt | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const header = JSON.parse(Buffer.from(parts[0]!, 'base64url').toString());
    const claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString());
    return isRecord(header) && isRecord(claims) ? { header: header as Jwt['header'], claims } : undefined;
  } catch {
    return undefined;
  }
}

/** The algorithm is the key's, never the token's word for it. */
export function isSignedBy(token: string, key: VerificationKey): boolean {
  const dot = token.lastIndexOf('.');
  return verify(
    digestOf(key.algorithm),
    Buffer.from(token.slice(0, dot)),
    { key: key.publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(token.slice(dot + 1), 'base64url'),
  );
}

function algorithmOf(key: KeyObject): Algorithm {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve === 'prime256v1') return 'ES256';
  if (curve === 'secp384r1') return 'ES384';
  if (curve === 'secp521r1') return 'ES512';
  throw new Error(
    `a ${key.asymmetricKeyType} key cannot sign tokens: use RSA or an elliptic curve P-256, P-384, P-521`,
  );
}

function digestOf(algorithm: Algorithm): string {
  return `sha${algorithm.slice(2)}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
