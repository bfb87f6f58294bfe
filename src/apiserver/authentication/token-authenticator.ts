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

/** All kinds in turn; the first that knows the token wins. Throws one Error with every reason when none does. */
export async function authenticateToken(
  authenticators: readonly TokenAuthenticator[],
  token: string,
  audiences: readonly string[],
): Promise<TokenResult> {
  const reasons: string[] = [];
  for (const authenticator of authenticators) {
    try {
      const result = await authenticator.authenticateToken(token, audiences);
      if (result) return { ...result, user: withAuthenticated(result.user) };
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  const invalid = 'invalid bearer token';
  throw new Error(reasons.length === 0 ? invalid : `[${[invalid, ...reasons].join(', ')}]`);
}

/** Everyone who proved who they are is in this group. */
export function withAuthenticated(user: UserInfo): UserInfo {
  return user.groups.includes('system:authenticated')
    ? user
    : { ...user, groups: [...user.groups, 'system:authenticated'] };
}
