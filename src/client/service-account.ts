/**
 * Speaks as service accounts of kube-system, as upstream's controller manager does with
 * --use-service-account-credentials: each controller may do what its own role says and no more.
 */
import { isStatusError } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import type { ApiClient } from './client.ts';
import type { RestApiClient } from './rest.ts';

const namespace = 'kube-system';
const serviceAccounts = { group: '', version: 'v1', resource: 'serviceaccounts' };
const lifetimeSeconds = 3600;
/** A token is replaced this part of its life before it ends. */
const renewAt = 0.8;

export interface ServiceAccountClientOptions {
  /** May create service accounts and tokens. */
  issuer: ApiClient;
  /** A connection without credentials of its own. */
  anonymous: RestApiClient;
  component: string;
  clock: Clock;
}

export function serviceAccountClient(name: string, options: ServiceAccountClientOptions): ApiClient {
  const { clock, issuer } = options;
  let current: { token: Promise<string>; renewAfter: number } | undefined;
  const token = () => {
    if (!current || clock.monotonic() > current.renewAfter) {
      const renewed = {
        token: requestToken(name, issuer),
        renewAfter: clock.monotonic() + lifetimeSeconds * 1000 * renewAt,
      };
      current = renewed;
      renewed.token.catch(() => {
        if (current === renewed) current = undefined;
      });
    }
    return current.token;
  };
  return options.anonymous.withBearerToken(token, `${options.component}/${name}`);
}

async function requestToken(name: string, issuer: ApiClient): Promise<string> {
  const accounts = issuer.resource(serviceAccounts, namespace);
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: lifetimeSeconds },
  };
  const ask = () => accounts.subresource<{ status: { token: string } }>('POST', name, 'token', request);
  try {
    return (await ask()).status.token;
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
  }
  try {
    await accounts.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
  } catch (error) {
    if (!isStatusError(error, 'AlreadyExists')) throw error;
  }
  return (await ask()).status.token;
}
