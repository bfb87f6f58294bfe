/** Asking the authorizers, and what a client reads when they say no. */
import { apiErrors, type StatusError } from '#apimachinery/status-error.ts';
import type { ApiRequest, AuthorizationAttributes, Authorizer, Decision, RequestAudit } from './request.ts';

export function attributesOf(request: ApiRequest): AuthorizationAttributes {
  const info = request.info;
  return {
    user: request.user!,
    verb: info.verb,
    resourceRequest: info.isResourceRequest,
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name,
    path: info.path,
  };
}

/** Undefined: allowed. Answers at once when the authorizers do, which is nearly always. */
export function authorize(
  authorizers: readonly Authorizer[],
  attributes: AuthorizationAttributes,
  audit?: RequestAudit,
  from = 0,
  reasons: string[] = [],
): StatusError | undefined | Promise<StatusError | undefined> {
  for (let i = from; i < authorizers.length; i++) {
    const answer = authorizers[i]!.authorize(attributes);
    if (answer instanceof Promise) {
      return answer.then((decision) =>
        settled(decision, attributes, reasons)
          ? verdict(decision, attributes, reasons, audit)
          : authorize(authorizers, attributes, audit, i + 1, reasons),
      );
    }
    if (settled(answer, attributes, reasons)) return verdict(answer, attributes, reasons, audit);
  }
  return refused(attributes, reasons.join('\n'), audit);
}

function settled(decision: Decision, _attributes: AuthorizationAttributes, reasons: string[]): boolean {
  if (decision.decision === 'no-opinion' && decision.reason) reasons.push(decision.reason);
  return decision.decision !== 'no-opinion';
}

function verdict(
  decision: Decision,
  attributes: AuthorizationAttributes,
  reasons: string[],
  audit: RequestAudit | undefined,
): StatusError | undefined {
  if (decision.decision === 'allow') {
    if (audit) recordDecision(audit, 'allow', decision.reason ?? '');
    return undefined;
  }
  return refused(attributes, [...reasons, ...(decision.reason ? [decision.reason] : [])].join('\n'), audit);
}

function refused(attributes: AuthorizationAttributes, reason: string, audit: RequestAudit | undefined): StatusError {
  if (audit) recordDecision(audit, 'forbid', reason);
  return forbidden(attributes, reason);
}

function recordDecision(audit: RequestAudit, decision: 'allow' | 'forbid', reason: string): void {
  audit.annotate('authorization.k8s.io/decision', decision);
  audit.annotate('authorization.k8s.io/reason', reason);
}

/** As upstream words it: `User "a" cannot list resource "pods" in API group "" in the namespace "b"`. */
export function forbidden(a: AuthorizationAttributes, reason: string): StatusError {
  const user = `User ${JSON.stringify(a.user.name)} cannot`;
  const because = reason === '' ? '' : `: ${reason}`;
  if (!a.resourceRequest) {
    return apiErrors.forbidden(
      { group: '', resource: '' },
      '',
      `${user} ${a.verb} path ${JSON.stringify(a.path)}${because}`,
    );
  }
  const resource = a.subresource === '' ? a.resource : `${a.resource}/${a.subresource}`;
  const where = a.namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(a.namespace)}`;
  return apiErrors.forbidden(
    { group: a.group, resource: a.resource },
    a.name,
    `${user} ${a.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(a.group)} ${where}${because}`,
  );
}
