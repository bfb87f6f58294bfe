/** What is asked by POST and never stored: reviews and token requests, by group and resource. */
import type { Clock } from '#base/clock.ts';
import type { Authentication } from '../authentication/configure.ts';
import type { CoreObjectGetter } from '../authentication/service-account.ts';
import type { RuleResolver } from '../authorization/rbac.ts';
import type { ServiceAccountOptions } from '../options.ts';
import type { Authorizer } from '../request.ts';
import type { ExtensionEndpoint } from '../server.ts';
import { createTokenRequest } from '../tokens/token-request.ts';
import { createAccessReviews, createSelfSubjectRulesReview } from './access-review.ts';
import { createSelfSubjectReview, createTokenReview } from './token-review.ts';

export interface ReviewDependencies {
  authentication: Authentication;
  serviceAccounts: ServiceAccountOptions;
  authorizer: Authorizer;
  rules: RuleResolver | undefined;
  getCoreObject: CoreObjectGetter;
  clock: Clock;
  randomUuid: () => string;
}

export function createReviews(dependencies: ReviewDependencies): ReadonlyMap<string, ExtensionEndpoint> {
  const { authentication, serviceAccounts, clock } = dependencies;
  const access = createAccessReviews(dependencies.authorizer);
  const endpoints = new Map<string, ExtensionEndpoint>([
    [
      'authentication.k8s.io/tokenreviews',
      createTokenReview(authentication.tokenAuthenticators, serviceAccounts.apiAudiences),
    ],
    ['authentication.k8s.io/selfsubjectreviews', createSelfSubjectReview(clock)],
    ['authorization.k8s.io/subjectaccessreviews', access.subject],
    ['authorization.k8s.io/selfsubjectaccessreviews', access.self],
    ['authorization.k8s.io/localsubjectaccessreviews', access.local],
    ['authorization.k8s.io/selfsubjectrulesreviews', createSelfSubjectRulesReview(dependencies.rules)],
  ]);
  if (authentication.signingKey)
    endpoints.set(
      '/serviceaccounts/token',
      createTokenRequest({
        key: authentication.signingKey,
        issuer: serviceAccounts.issuers[0]!,
        apiAudiences: serviceAccounts.apiAudiences,
        maxExpirationSeconds: serviceAccounts.maxExpirationSeconds,
        extendExpiration: serviceAccounts.extendExpiration,
        get: dependencies.getCoreObject,
        clock,
        randomUuid: dependencies.randomUuid,
      }),
    );
  return endpoints;
}
