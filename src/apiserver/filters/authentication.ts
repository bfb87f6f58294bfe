import { apiErrors } from '#apimachinery/status-error.ts';
import type { ApiRequest, Authenticator, Filter, Handler, UserInfo } from '../request.ts';

const authenticated = 'system:authenticated';
const unauthenticated = 'system:unauthenticated';

/** The first authenticator that knows the credentials names the user. Credentials go no further than here. */
export function authentication(authenticators: readonly Authenticator[]): Filter {
  const proceed = (request: ApiRequest, user: UserInfo | undefined, next: Handler) => {
    if (!user) throw apiErrors.unauthorized();
    request.user = withGroup(user);
    return next(request);
  };
  return (request, next) => {
    const user = identify(request, authenticators);
    return user instanceof Promise ? user.then((u) => proceed(request, u, next)) : proceed(request, user, next);
  };
}

/** Most answer at once: a turn of the loop for each would be felt by every request. */
function identify(
  request: ApiRequest,
  authenticators: readonly Authenticator[],
  from = 0,
): UserInfo | undefined | Promise<UserInfo | undefined> {
  for (let i = from; i < authenticators.length; i++) {
    const user = authenticators[i]!.authenticate(request);
    if (user instanceof Promise) return user.then((u) => u ?? identify(request, authenticators, i + 1));
    if (user) return user;
  }
  return undefined;
}

function withGroup(user: UserInfo): UserInfo {
  if (user.groups.includes(authenticated) || user.groups.includes(unauthenticated)) return user;
  return { ...user, groups: [...user.groups, authenticated] };
}
