import { apiErrors } from '#apimachinery/status-error.ts';
import type { ApiRequest, Authenticator, Filter, UserInfo } from '../request.ts';

const authenticated = 'system:authenticated';
const unauthenticated = 'system:unauthenticated';

/** The first authenticator that knows the credentials names the user. Credentials go no further than here. */
export function authentication(authenticators: readonly Authenticator[]): Filter {
  return async (request, next) => {
    const user = await identify(request, authenticators);
    if (!user) throw apiErrors.unauthorized();
    request.user = withGroup(user);
    return next(request);
  };
}

async function identify(request: ApiRequest, authenticators: readonly Authenticator[]): Promise<UserInfo | undefined> {
  for (const authenticator of authenticators) {
    const answer = authenticator.authenticate(request);
    // Most answer at once: a turn of the loop for each would be felt by every request.
    const user = answer instanceof Promise ? await answer : answer;
    if (user) return user;
  }
  return undefined;
}

function withGroup(user: UserInfo): UserInfo {
  if (user.groups.includes(authenticated) || user.groups.includes(unauthenticated)) return user;
  return { ...user, groups: [...user.groups, authenticated] };
}
