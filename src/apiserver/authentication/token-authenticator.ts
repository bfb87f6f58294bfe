/** Turns a bearer token into a user. The three kinds: the token file, service account tokens, bootstrap tokens. */
import type { UserInfo } from '../request.ts';

export interface TokenResult {
  user: UserInfo;
  /** The audiences of the token that the caller accepts too. */
  audiences: string[];
}

export interface TokenAuthenticator {
  readonly name: string;
  /** `undefined`: not a token of this kind. Throws a plain Error with upstream's text for one that is no good. */
  authenticateToken(
    token: string,
    audiences: readonly string[],
  ): Promise<TokenResult | undefined> | TokenResult | undefined;
}

/**
 * All kinds in turn; the first that knows the token wins. Throws (or rejects with) one Error with every reason when
 * none does. Answers at once when the authenticators do.
 */
export function authenticateToken(
  authenticators: readonly TokenAuthenticator[],
  token: string,
  audiences: readonly string[],
  from = 0,
  reasons: string[] = [],
): TokenResult | Promise<TokenResult> {
  const refused = (error: unknown) => {
    reasons.push(error instanceof Error ? error.message : String(error));
    return undefined;
  };
  for (let i = from; i < authenticators.length; i++) {
    const result = attempt(authenticators[i]!, token, audiences, refused);
    if (result instanceof Promise) {
      const next = () => authenticateToken(authenticators, token, audiences, i + 1, reasons);
      return result.catch(refused).then((r) => (r ? authenticated(r) : next()));
    }
    if (result) return authenticated(result);
  }
  const invalid = 'invalid bearer token';
  throw new Error(reasons.length === 0 ? invalid : `[${[invalid, ...reasons].join(', ')}]`);
}

function attempt(
  authenticator: TokenAuthenticator,
  token: string,
  audiences: readonly string[],
  refused: (error: unknown) => undefined,
): ReturnType<TokenAuthenticator['authenticateToken']> {
  try {
    return authenticator.authenticateToken(token, audiences);
  } catch (error) {
    return refused(error);
  }
}

function authenticated(result: TokenResult): TokenResult {
  const user = withAuthenticated(result.user);
  return user === result.user ? result : { ...result, user };
}

/** Everyone who proved who they are is in this group. */
export function withAuthenticated(user: UserInfo): UserInfo {
  return user.groups.includes('system:authenticated')
    ? user
    : { ...user, groups: [...user.groups, 'system:authenticated'] };
}
