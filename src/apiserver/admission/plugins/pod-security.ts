/**
 * PodSecurity: a namespace's labels say how much its pods may do. Pods that do more are refused (enforce) or warned about
 * (warn); workloads that would make such pods are warned about.
 */

import { fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import facts from '#apis/facts/admission.json' with { type: 'json' };
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { type PodSecurityLevel, podSecurityLevels, type Violation, violations } from '../pod-security/checks.ts';

const { labels } = facts.defaults.PodSecurity;
const levelLabels = labels.filter((label) => !label.endsWith('-version'));
const enforceLabel = 'pod-security.kubernetes.io/enforce';

export interface PodSecuritySources {
  namespace(name: string): KubeObject | undefined;
  pods(namespace: string): KubeObject[];
}

interface Policy {
  level: PodSecurityLevel;
  /** `restricted:latest` */
  text: string;
}

export function podSecurity(sources: PodSecuritySources): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    validate(attributes) {
      const { object, resource, subresource, namespace } = attributes;
      if (!object || subresource !== '') return;
      if (resource.group === '' && resource.resource === 'namespaces')
        return checkNamespace(attributes, object, sources);
      const spec = podSpecOf(resource.resource, object);
      if (!spec || attributes.operation !== 'CREATE') return;
      const home = sources.namespace(namespace);
      if (resource.resource === 'pods') {
        const enforce = policyOf(home, 'enforce');
        const found = violations(spec, enforce.level);
        if (found.length > 0)
          throw apiErrors.forbidden(
            resource,
            object.metadata.name ?? '',
            `violates PodSecurity "${enforce.text}": ${describe(found)}`,
          );
      }
      const warn = policyOf(home, 'warn');
      const found = violations(spec, warn.level);
      if (found.length > 0) attributes.addWarning(`would violate PodSecurity "${warn.text}": ${describe(found)}`);
    },
  };
}

function policyOf(namespace: KubeObject | undefined, mode: 'enforce' | 'warn'): Policy {
  const own = namespace?.metadata.labels ?? {};
  const label = own[`pod-security.kubernetes.io/${mode}`];
  const level = podSecurityLevels.find((l) => l === label) ?? 'privileged';
  return { level, text: `${level}:${own[`pod-security.kubernetes.io/${mode}-version`] ?? 'latest'}` };
}

/** Labels must be right; a stricter level is told which pods are there already. */
function checkNamespace(attributes: AdmissionAttributes, namespace: KubeObject, sources: PodSecuritySources): void {
  const own = namespace.metadata.labels ?? {};
  const errors = levelLabels
    .filter((label) => own[label] !== undefined && !podSecurityLevels.includes(own[label] as PodSecurityLevel))
    .map((label) =>
      fieldError.invalid(`metadata.labels[${label}]`, own[label], `must be one of ${podSecurityLevels.join(', ')}`),
    );
  const name = namespace.metadata.name ?? attributes.name;
  if (errors.length > 0) throw apiErrors.invalid({ group: '', kind: 'Namespace' }, name, errors);
  if (attributes.operation !== 'UPDATE' || own[enforceLabel] === attributes.oldObject?.metadata.labels?.[enforceLabel])
    return;

  const { level, text } = policyOf(namespace, 'enforce');
  const byReasons = new Map<string, string[]>();
  for (const pod of sources.pods(name)) {
    const reasons = violations(pod['spec'] ?? {}, level)
      .map((v) => v.reason)
      .join(', ');
    if (reasons === '') continue;
    const names = byReasons.get(reasons);
    if (names) names.push(pod.metadata.name!);
    else byReasons.set(reasons, [pod.metadata.name!]);
  }
  if (byReasons.size === 0) return;
  attributes.addWarning(
    `existing pods in namespace ${JSON.stringify(name)} violate the new PodSecurity enforce level "${text}"`,
  );
  for (const [reasons, names] of byReasons) attributes.addWarning(`${andOthers(names.sort())}: ${reasons}`);
}

/** `a (and 2 other pods)` */
function andOthers([first = '', ...rest]: readonly string[]): string {
  return rest.length === 0 ? first : `${first} (and ${rest.length} other pod${rest.length > 1 ? 's' : ''})`;
}

function podSpecOf(resource: string, object: KubeObject): Record<string, any> | undefined {
  if (resource === 'pods') return object['spec'];
  if (resource === 'podtemplates') return object['template']?.spec;
  if (resource === 'cronjobs') return object['spec']?.jobTemplate?.spec?.template?.spec;
  const workloads = ['replicationcontrollers', 'replicasets', 'deployments', 'statefulsets', 'daemonsets', 'jobs'];
  return workloads.includes(resource) ? object['spec']?.template?.spec : undefined;
}

function describe(found: readonly Violation[]): string {
  return found.map((v) => `${v.reason} (${v.detail})`).join(', ');
}
