/** TokenReview: who a token stands for, asked by others; SelfSubjectReview: who am I. */
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import { authenticateToken, type TokenAuthenticator } from '../authentication/token-authenticator.ts';
import type { ApiRequest, UserInfo } from '../request.ts';

export function createTokenReview(authenticators: readonly TokenAuthenticator[], apiAudiences: readonly string[]) {
  return async (_request: ApiRequest, object: KubeObject): Promise<KubeObject> => {
    const { token = '', audiences } = (object['spec'] ?? {}) as { token?: string; audiences?: string[] };
    if (token === '') throw apiErrors.badRequest('token is required for TokenReview in authentication');
    const wanted = audiences?.length ? audiences : apiAudiences;
    try {
      const result = await authenticateToken(authenticators, token, wanted);
      return { ...object, status: { authenticated: true, user: userStatus(result.user), audiences: result.audiences } };
    } catch (error) {
      return { ...object, status: { user: {}, error: messageOf(error) } };
    }
  };
}

export function createSelfSubjectReview(clock: Clock) {
  return (request: ApiRequest, object: KubeObject): KubeObject => {
    const { managedFields: _, ...metadata } = object.metadata;
    const creationTimestamp = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;
    return {
      ...object,
      metadata: { ...metadata, creationTimestamp },
      status: { userInfo: userStatus(request.user!) },
    };
  };
}

function userStatus(user: UserInfo): object {
  return {
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    ...(user.groups.length > 0 ? { groups: user.groups } : {}),
    ...(user.extra && Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
  };
}
