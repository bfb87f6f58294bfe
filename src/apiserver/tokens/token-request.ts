/** POST serviceaccounts/NAME/token: a token for an account, bound in time, to audiences, and maybe to an object. */
import { fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import type { CoreObjectGetter } from '../authentication/service-account.ts';
import type { ApiRequest } from '../request.ts';
import { type SigningKey, signJwt } from './jwt.ts';

export interface TokenRequestOptions {
  key: SigningKey;
  issuer: string;
  apiAudiences: readonly string[];
  /** 0: no limit but upstream's own. */
  maxExpirationSeconds: number;
  /** Kubelet-made tokens of an hour live a year, with a warning claim, so that old clients keep working. */
  extendExpiration: boolean;
  get: CoreObjectGetter;
  clock: Clock;
  randomUuid: () => string;
}

const minExpirationSeconds = 10 * 60;
const defaultExpirationSeconds = 3600;
/** The magic number of the projected volume that ServiceAccount admission adds. */
const projectedVolumeSeconds = 3607;
const extendedSeconds = 365 * 24 * 3600;
const longestSeconds = 2 ** 32;

export function createTokenRequest(options: TokenRequestOptions) {
  const { key, issuer, apiAudiences, get, clock, randomUuid } = options;
  const kind = { group: 'authentication.k8s.io', kind: 'TokenRequest' };

  return async (request: ApiRequest, object: KubeObject): Promise<KubeObject> => {
    const { namespace, name } = request.info;
    const account = await get('serviceaccounts', namespace, name);
    if (!account) throw apiErrors.notFound({ group: '', resource: 'serviceaccounts' }, name);

    const spec = object['spec'] ?? {};
    const audiences: string[] = spec.audiences?.length ? spec.audiences : [...apiAudiences];
    let seconds: number = spec.expirationSeconds ?? defaultExpirationSeconds;
    const invalid = (detail: string) =>
      apiErrors.invalid(kind, '', [fieldError.invalid('spec.expirationSeconds', seconds, detail)]);
    if (seconds < minExpirationSeconds) throw invalid('may not specify a duration less than 10 minutes');
    if (seconds > longestSeconds) throw invalid('may not specify a duration larger than 2^32 seconds');
    if (options.maxExpirationSeconds > 0) seconds = Math.min(seconds, options.maxExpirationSeconds);

    const bound = await boundObjects(spec.boundObjectRef, namespace, name, get);
    const issuedAt = Math.floor(clock.now() / 1000);
    const isExtended =
      options.extendExpiration &&
      seconds === projectedVolumeSeconds &&
      bound['pod'] !== undefined &&
      isFor(audiences, apiAudiences);
    const token = await signJwt(key, {
      aud: audiences,
      exp: issuedAt + (isExtended ? extendedSeconds : seconds),
      iat: issuedAt,
      iss: issuer,
      jti: randomUuid(),
      'kubernetes.io': {
        namespace,
        ...bound,
        serviceaccount: { name, uid: account.metadata.uid },
        ...(isExtended ? { warnafter: issuedAt + seconds } : {}),
      },
      nbf: issuedAt,
      sub: `system:serviceaccount:${namespace}:${name}`,
    });
    return {
      ...object,
      metadata: {
        ...object.metadata,
        name,
        namespace,
        uid: account.metadata.uid!,
        creationTimestamp: timestamp(issuedAt),
      },
      spec: { ...spec, audiences, expirationSeconds: seconds, boundObjectRef: spec.boundObjectRef ?? null },
      status: { token, expirationTimestamp: timestamp(issuedAt + seconds) },
    };
  };
}

type Claim = { name: string; uid: string | undefined };

/** The claims for the object a token shall die with; a pod brings its node along. */
async function boundObjects(
  ref: { kind?: string; apiVersion?: string; name?: string; uid?: string } | undefined | null,
  namespace: string,
  account: string,
  get: CoreObjectGetter,
): Promise<Record<string, Claim>> {
  if (!ref?.kind) return {};
  const name = ref.name ?? '';
  const resource = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' }[ref.kind] as
    | 'pods'
    | 'secrets'
    | 'nodes'
    | undefined;
  if (!resource || (ref.apiVersion ?? 'v1') !== 'v1')
    throw apiErrors.badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account)} to object of kind ${ref.apiVersion}, Kind=${ref.kind}`,
    );
  const found = await get(resource, resource === 'nodes' ? '' : namespace, name);
  const gr = { group: '', resource };
  if (!found) throw apiErrors.notFound(gr, name);
  const { uid } = found.metadata;
  if (ref.uid && ref.uid !== uid)
    throw apiErrors.conflict(
      gr,
      name,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  const claims: Record<string, Claim> = { [ref.kind.toLowerCase()]: { name, uid } };
  if (resource !== 'pods') return claims;
  if ((found['spec']?.serviceAccountName ?? '') !== account)
    throw apiErrors.badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
    );
  const nodeName = found['spec']?.nodeName;
  if (nodeName) claims['node'] = { name: nodeName, uid: (await get('nodes', '', nodeName))?.metadata.uid };
  return claims;
}

function isFor(audiences: readonly string[], wanted: readonly string[]): boolean {
  return audiences.length === wanted.length && audiences.every((a) => wanted.includes(a));
}

function timestamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
