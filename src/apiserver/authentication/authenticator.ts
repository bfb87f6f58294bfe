/**
 * Who is asking: client certificate, then bearer token, then anonymous. Bad credentials are refused even where
 * anonymous access would do; no credentials at all are anonymous, where anonymous requests are let in.
 */
import { apiErrors } from '#apimachinery/status-error.ts';
import type { ApiRequest, Authenticator, PeerCertificate, UserInfo } from '../request.ts';
import type { AnonymousAccess } from './authentication-config.ts';
import { authenticateToken, type TokenAuthenticator, withAuthenticated } from './token-authenticator.ts';

export interface AuthenticationOptions {
  tokenAuthenticators: readonly TokenAuthenticator[];
  /** What a token must be made for. */
  apiAudiences: readonly string[];
  anonymous: AnonymousAccess;
}

export const anonymousUser: UserInfo = Object.freeze({
  name: 'system:anonymous',
  groups: ['system:unauthenticated'],
}) as UserInfo;

export function createAuthenticator(options: AuthenticationOptions): Authenticator {
  const { tokenAuthenticators, apiAudiences, anonymous } = options;
  return {
    name: 'union',
    authenticate(request) {
      const byCertificate = certificateUser(request.peerCertificate);
      if (byCertificate) return byCertificate;
      const token = bearerToken(request);
      if (token !== undefined) {
        try {
          const result = authenticateToken(tokenAuthenticators, token, apiAudiences);
          return result instanceof Promise ? result.then(({ user }) => user, refuse) : result.user;
        } catch (cause) {
          return refuse(cause);
        }
      }
      const isLetIn = typeof anonymous === 'boolean' ? anonymous : anonymous.has(request.url.pathname);
      if (isLetIn && !request.peerCertificateError) return anonymousUser;
      throw apiErrors.unauthorized();
    },
  };
}

function refuse(cause: unknown): never {
  const error = apiErrors.unauthorized();
  error.cause = cause;
  throw error;
}

/** A connection shows one certificate, however many requests it carries. */
const certificateUsers = new WeakMap<PeerCertificate, UserInfo>();

/** x509: the common name is the user, the organizations are the groups. */
function certificateUser(certificate: PeerCertificate | undefined): UserInfo | undefined {
  if (!certificate || certificate.commonName === '') return undefined;
  let user = certificateUsers.get(certificate);
  if (!user) {
    user = withAuthenticated({
      name: certificate.commonName,
      ...(certificate.uid ? { uid: certificate.uid } : {}),
      groups: [...certificate.organizations],
    });
    certificateUsers.set(certificate, user);
  }
  return user;
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
