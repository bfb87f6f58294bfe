/** The authenticators the command line asks for, and the keys behind service account tokens. */
import type { Clock } from '#base/clock.ts';
import type { ApiServerConfiguration } from '../options.ts';
import type { Registry } from '../registry/registry.ts';
import type { Authenticator } from '../request.ts';
import { parseFileOf } from '../serving/server-files.ts';
import type { SigningKey, VerificationKey } from '../tokens/jwt.ts';
import { parseSigningKey, parseVerificationKeys } from '../tokens/service-account-keys.ts';
import { readAuthenticationConfig } from './authentication-config.ts';
import { createAuthenticator } from './authenticator.ts';
import { bootstrapTokens } from './bootstrap-token.ts';
import { type CoreObjectGetter, serviceAccountTokens } from './service-account.ts';
import type { TokenAuthenticator } from './token-authenticator.ts';
import { tokenFile } from './token-file.ts';

export interface Authentication {
  authenticator: Authenticator;
  tokenAuthenticators: TokenAuthenticator[];
  /** Verify service account tokens; none: they are not accepted. */
  keys: VerificationKey[];
  /** Signs new ones; undefined: none are given out. */
  signingKey: SigningKey | undefined;
}

/** Files are read now: what is wrong with one stops the start. */
export async function configureAuthentication(
  options: ApiServerConfiguration,
  getCoreObject: CoreObjectGetter,
  clock: Clock,
): Promise<Authentication> {
  const { serviceAccounts: accounts } = options;
  const signingKey =
    accounts.signingKeyFile === ''
      ? undefined
      : parseFileOf('service-account-signing-key-file', accounts.signingKeyFile, parseSigningKey);
  const keys = accounts.keyFiles.flatMap((path) =>
    parseFileOf('service-account-key-file', path, parseVerificationKeys),
  );
  if (signingKey && !keys.some((k) => k.id === signingKey.id)) keys.push(signingKey);

  const tokenAuthenticators: TokenAuthenticator[] = [];
  if (options.tokenAuthFile !== '')
    tokenAuthenticators.push(
      parseFileOf('token-auth-file', options.tokenAuthFile, (text) => tokenFile(text, accounts.apiAudiences)),
    );
  if (keys.length > 0)
    tokenAuthenticators.push(
      serviceAccountTokens({ keys, issuers: accounts.issuers, lookup: accounts.lookup, get: getCoreObject, clock }),
    );
  if (options.bootstrapTokens) tokenAuthenticators.push(bootstrapTokens(getCoreObject, clock));
  const authenticator = createAuthenticator({
    tokenAuthenticators,
    apiAudiences: accounts.apiAudiences,
    anonymous:
      options.authenticationConfig === ''
        ? options.anonymousAuth
        : await readAuthenticationConfig(options.authenticationConfig),
  });
  return { authenticator, tokenAuthenticators, keys, signingKey };
}

/** From the live copies; an object they do not have yet (or any more) is asked of the store itself. */
export function coreObjectGetter(registry: Registry): CoreObjectGetter {
  return async (resource, namespace, name) => {
    const cached = registry.lister('', resource).get(namespace, name);
    if (cached) return cached;
    const target = registry.resource('', resource);
    const entry = await target?.storage.get(target.key(namespace, name));
    return entry?.object();
  };
}
