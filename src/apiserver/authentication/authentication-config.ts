/**
 * The file of --authentication-config (apiserver.config.k8s.io AuthenticationConfiguration), as far as it concerns
 * anonymous requests: whether they are let in, and to which paths. Authenticators of other issuers (`jwt`) are refused
 * rather than passed over in silence: who configures one counts on it.
 */
import { messageOf, OperatorError } from '#base/errors.ts';
import { readFileOf } from '../serving/server-files.ts';

/** True: everywhere; false: nowhere; else the exact paths. */
export type AnonymousAccess = boolean | ReadonlySet<string>;

export async function readAuthenticationConfig(path: string): Promise<AnonymousAccess> {
  const text = readFileOf('authentication-config', path);
  const refuse = (why: string, cause?: unknown): never => {
    throw new OperatorError(`${path} of --authentication-config is no good: ${why}`, { cause });
  };
  let file: unknown;
  try {
    file = /^\s*\{/.test(text) ? JSON.parse(text) : (await import('yaml')).parse(text);
  } catch (cause) {
    refuse(messageOf(cause).split('\n')[0]!, cause);
  }
  const { apiVersion, kind, jwt, anonymous } = (file ?? {}) as AuthenticationConfiguration;
  if (
    kind !== 'AuthenticationConfiguration' ||
    !/^apiserver\.config\.k8s\.io\/v1(beta1|alpha1)?$/.test(apiVersion ?? '')
  ) {
    refuse('it is no AuthenticationConfiguration of apiserver.config.k8s.io');
  }
  if (jwt?.length) refuse('jwt authenticators are not supported');
  if (!anonymous) return true;
  if (anonymous.enabled !== true) {
    if (anonymous.conditions?.length) refuse('anonymous.conditions need anonymous.enabled: true');
    return false;
  }
  const paths = (anonymous.conditions ?? []).map((c) => c?.path);
  if (paths.some((p) => typeof p !== 'string' || !p.startsWith('/')))
    refuse('each of anonymous.conditions needs a path');
  return paths.length === 0 ? true : new Set(paths as string[]);
}

interface AuthenticationConfiguration {
  apiVersion?: string;
  kind?: string;
  jwt?: unknown[];
  anonymous?: { enabled?: boolean; conditions?: ({ path?: unknown } | null)[] };
}
