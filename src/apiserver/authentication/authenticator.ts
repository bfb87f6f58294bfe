/**
 * Who is asking: client certificate, then bearer token, then anonymous. Bad credentials are refused even where
 * anonymous access would do; no credentials at all are anonymous (or refused with --anonymous-auth=false).
 */
import { apiErrors } from '#apimachinery/status-error.ts';
import type { ApiRequest, Authenticator, UserInfo } from '../request.ts';
import { authenticateToken, type TokenAuthenticator, withAuthenticated } from './token-authenticator.ts';

export interface AuthenticationOptions {
  tokenAuthenticators: readonly TokenAuthenticator[];
  /** What a token must be made for. */
  apiAudiences: readonly string[];
  anonymous: boolean;
}

export const anonymousUser: UserInfo = Object.freeze({
  name: 'system:anonymous',
  groups: ['system:unauthenticated'],
}) as UserInfo;

export function createAuthenticator(options: AuthenticationOptions): Authenticator {
  const { tokenAuthenticators, apiAudiences, anonymous } = options;
  return {
    name: 'union',
    async authenticate(request) {
      const byCertificate = certificateUser(request);
      if (byCertificate) return byCertificate;
      const token = bearerToken(request);
      if (token !== undefined) {
        try {
          return (await authenticateToken(tokenAuthenticators, token, apiAudiences)).user;
        } catch (cause) {
          const error = apiErrors.unauthorized();
          error.cause = cause;
          throw error;
        }
      }
      if (anonymous && !request.peerCertificateError) return anonymousUser;
      throw apiErrors.unauthorized();
    },
  };
}

/** x509: the common name is the user, the organizations are the groups. */
function certificateUser(request: ApiRequest): UserInfo | undefined {
  const certificate = request.peerCertificate;
  if (!certificate || certificate.commonName === '') return undefined;
  return withAuthenticated({
    name: certificate.commonName,
    ...(certificate.uid ? { uid: certificate.uid } : {}),
    groups: [...certificate.organizations],
  });
}

/** The token of `Authorization: Bearer …`; an empty one, or another scheme, counts as none. */
export function bearerToken(request: Pick<ApiRequest, 'headers'>): string | undefined {
  const header = request.headers.authorization?.trim();
  if (!header) return undefined;
  const space = header.indexOf(' ');
  if (space < 0 || header.slice(0, space).toLowerCase() !== 'bearer') return undefined;
  const token = header.slice(space + 1).trim();
  return token === '' ? undefined : token;
}
