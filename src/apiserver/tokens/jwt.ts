/**
 * Signed tokens (RFC 7519 over RFC 7515 compact form), as much as service accounts need. The signing and checking is
 * jose's, loaded by the first token.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

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

export async function signJwt(key: SigningKey, claims: object): Promise<string> {
  const { CompactSign } = await import('jose');
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: key.algorithm, kid: key.id })
    .sign(key.privateKey);
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
export async function isSignedBy(token: string, key: VerificationKey): Promise<boolean> {
  const { compactVerify, errors } = await import('jose');
  try {
    await compactVerify(token, key.publicKey, { algorithms: [key.algorithm] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
