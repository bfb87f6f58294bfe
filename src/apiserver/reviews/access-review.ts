/** May someone do something, asked of the server's own authorizer: the four access reviews of authorization.k8s.io. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { RuleResolver } from '../authorization/rbac.ts';
import type { PolicyRule } from '../authorization/rbac-rule.ts';
import type { ApiRequest, AuthorizationAttributes, Authorizer, UserInfo } from '../request.ts';

type Review = (request: ApiRequest, object: KubeObject) => Promise<KubeObject>;

/** By kind. */
export function createAccessReviews(authorizer: Authorizer): Record<'subject' | 'self' | 'local', Review> {
  const decide = async (object: KubeObject, user: UserInfo): Promise<KubeObject> => {
    const { decision, reason } = await authorizer.authorize(attributesOf(user, object['spec']));
    const status = {
      allowed: decision === 'allow',
      ...(decision === 'deny' ? { denied: true } : {}),
      ...(reason ? { reason } : {}),
    };
    return { ...object, status };
  };
  const subjectOf = (spec: any): UserInfo => ({
    name: spec.user ?? '',
    ...(spec.uid ? { uid: spec.uid } : {}),
    groups: spec.groups ?? [],
    ...(spec.extra ? { extra: spec.extra } : {}),
  });
  return {
    async subject(request, object) {
      check(request, object, true);
      return decide(object, subjectOf(object['spec']));
    },
    async self(request, object) {
      check(request, object, false);
      return decide(object, request.user!);
    },
    async local(request, object) {
      const { namespace } = request.info;
      if ((object['spec']?.resourceAttributes?.namespace ?? '') !== namespace) {
        const field = 'spec.resourceAttributes.namespace';
        const value = object['spec']?.resourceAttributes?.namespace ?? '';
        throw invalid(request, '', [fieldError.invalid(field, value, 'must match metadata.namespace')]);
      }
      check(request, object, true);
      return decide(object, subjectOf(object['spec']));
    },
  };
}

/** What the caller may do in a namespace, as far as RBAC can tell. */
export function createSelfSubjectRulesReview(resolver: RuleResolver | undefined): Review {
  return async (request, object) => {
    const namespace: string = object['spec']?.namespace ?? '';
    if (namespace === '') throw apiErrors.badRequest('no namespace on request');
    const user = request.user!;
    const { rules, errors } = resolver?.rulesFor(user, namespace) ?? { rules: [], errors: [] };
    const all: readonly PolicyRule[] = user.groups.includes('system:masters') ? [...everything, ...rules] : rules;
    const resourceRules = all.filter((r) => r.resources?.length).map(withoutUrls);
    const nonResourceRules = all
      .filter((r) => r.nonResourceURLs?.length)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs }));
    return {
      ...object,
      status: {
        resourceRules,
        nonResourceRules,
        incomplete: errors.length > 0 || !resolver,
        ...(errors.length > 0 ? { evaluationError: errors.join(', ') } : {}),
      },
    };
  };
}

const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

function withoutUrls({ nonResourceURLs: _, ...rule }: PolicyRule): PolicyRule {
  return rule;
}

function attributesOf(user: UserInfo, spec: any): AuthorizationAttributes {
  const r = spec?.resourceAttributes;
  return {
    user,
    verb: r?.verb ?? spec?.nonResourceAttributes?.verb ?? '',
    resourceRequest: r !== undefined && r !== null,
    group: r?.group ?? '',
    version: r?.version ?? '*',
    resource: r?.resource ?? '',
    subresource: r?.subresource ?? '',
    namespace: r?.namespace ?? '',
    name: r?.name ?? '',
    path: spec?.nonResourceAttributes?.path ?? '',
  };
}

function check(request: ApiRequest, object: KubeObject, needsSubject: boolean): void {
  const spec = object['spec'] ?? {};
  const errors: FieldError[] = [];
  const resource = spec.resourceAttributes;
  const nonResource = spec.nonResourceAttributes;
  if (resource && nonResource)
    errors.push(
      fieldError.invalid(
        'spec.nonResourceAttributes',
        nonResource,
        'cannot be specified in combination with resourceAttributes',
      ),
    );
  if (!resource && !nonResource)
    errors.push(
      fieldError.invalid(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    );
  if (needsSubject && !spec.user && !spec.groups?.length)
    errors.push(fieldError.invalid('spec.user', '', 'at least one of user or group must be specified'));
  if (errors.length > 0) throw invalid(request, '', errors);
}

/** Upstream names no kind here: the message starts with the group alone. */
function invalid(request: ApiRequest, kind: string, errors: FieldError[]) {
  return apiErrors.invalid({ group: request.info.group, kind }, '', errors);
}
