/**
 * Service account tokens: the signature is checked once per token and kept in a bounded cache by the token's hash; that
 * the account, and the pod, secret or node the token is bound to, still exist is checked on every request from listers.
 */
import { createHash } from 'node:crypto';
import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '../request.ts';
import { isSignedBy, parseJwt, type VerificationKey } from '../tokens/jwt.ts';
import type { TokenAuthenticator } from './token-authenticator.ts';

/** Reads core objects from live copies. */
export type CoreObjectGetter = (
  resource: 'serviceaccounts' | 'pods' | 'secrets' | 'nodes',
  namespace: string,
  name: string,
) => Promise<KubeObject | undefined> | KubeObject | undefined;

export interface ServiceAccountTokenOptions {
  keys: readonly VerificationKey[];
  issuers: readonly string[];
  /** Whether the objects that a token names must still exist. */
  lookup: boolean;
  get: CoreObjectGetter;
  clock: Clock;
}

/** Tokens whose signature was checked; the oldest is forgotten first. */
export const verifiedTokensMax = 4096;

export function serviceAccountTokens(options: ServiceAccountTokenOptions): TokenAuthenticator {
  const { keys, issuers, lookup, get, clock } = options;
  const verified = new Map<string, Record<string, any>>();

  const claimsOf = async (token: string): Promise<Record<string, any> | undefined> => {
    const jwt = parseJwt(token);
    if (!jwt || !issuers.includes(jwt.claims['iss'])) return undefined;
    const hash = createHash('sha256').update(token).digest('base64');
    const known = verified.get(hash);
    if (known) return known;
    const candidates = jwt.header.kid ? keys.filter((k) => k.id === jwt.header.kid) : keys;
    const usable = candidates.length > 0 ? candidates : keys;
    const results = await Promise.all(usable.map((key) => isSignedBy(token, key)));
    if (!results.includes(true)) throw new Error('invalid signature, no keys found');
    if (verified.size >= verifiedTokensMax) verified.delete(verified.keys().next().value!);
    verified.set(hash, jwt.claims);
    return jwt.claims;
  };

  return {
    name: 'service-account',
    async authenticateToken(token, audiences) {
      const claims = await claimsOf(token);
      if (!claims) return undefined;
      const own: string[] = Array.isArray(claims['aud']) ? claims['aud'] : [claims['aud']];
      const accepted = own.filter((a) => audiences.includes(a));
      if (accepted.length === 0)
        throw new Error(
          `token audiences ${quoteList(own)} is invalid for the target audiences ${quoteList(audiences)}`,
        );
      const nowSeconds = clock.now() / 1000;
      if (typeof claims['exp'] !== 'number' || nowSeconds > claims['exp'] + leewaySeconds)
        throw new Error('service account token has expired');
      if (typeof claims['nbf'] === 'number' && nowSeconds < claims['nbf'] - leewaySeconds)
        throw new Error('service account token is not valid yet');
      const bound = claims['kubernetes.io'] as BoundClaims | undefined;
      if (!bound?.namespace || !bound.serviceaccount?.name) throw new Error('token names no service account');
      if (lookup) await checkBoundObjects(bound, get);
      return { user: userOf(bound, claims['jti']), audiences: accepted };
    },
  };
}

/** Clocks of masters differ a little. */
const leewaySeconds = 10;

export interface BoundClaims {
  namespace: string;
  serviceaccount: ObjectClaim;
  pod?: ObjectClaim;
  secret?: ObjectClaim;
  node?: ObjectClaim;
}
interface ObjectClaim {
  name: string;
  uid?: string;
}

async function checkBoundObjects(bound: BoundClaims, get: CoreObjectGetter): Promise<void> {
  await check('serviceaccounts', bound.namespace, bound.serviceaccount, 'service account');
  if (bound.secret) await check('secrets', bound.namespace, bound.secret, 'secret');
  if (bound.pod) await check('pods', bound.namespace, bound.pod, 'pod');
  if (bound.node && !bound.pod) await check('nodes', '', bound.node, 'node');

  async function check(
    resource: Parameters<CoreObjectGetter>[0],
    namespace: string,
    claim: ObjectClaim,
    what: string,
  ): Promise<void> {
    const object = await get(resource, namespace, claim.name);
    if (!object) throw new Error(`${what} ${namespace ? `${namespace}/` : ''}${claim.name} does not exist`);
    if (claim.uid && object.metadata.uid !== claim.uid)
      throw new Error(`${what} ${claim.name} is another one than the token was made for`);
  }
}

function userOf(bound: BoundClaims, id: unknown): UserInfo {
  const user = serviceAccountUser(bound.namespace, bound.serviceaccount.name, bound.serviceaccount.uid);
  const extra: Record<string, string[]> = {};
  const put = (key: string, value: string | undefined) => {
    if (value) extra[`authentication.kubernetes.io/${key}`] = [value];
  };
  if (typeof id === 'string' && id !== '') put('credential-id', `JTI=${id}`);
  put('pod-name', bound.pod?.name);
  put('pod-uid', bound.pod?.uid);
  put('node-name', bound.node?.name);
  put('node-uid', bound.node?.uid);
  return Object.keys(extra).length > 0 ? { ...user, extra } : user;
}

export function serviceAccountUser(namespace: string, name: string, uid?: string): UserInfo {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    ...(uid ? { uid } : {}),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
  };
}

function quoteList(texts: readonly string[]): string {
  return `[${texts.map((t) => JSON.stringify(t)).join(' ')}]`;
}
