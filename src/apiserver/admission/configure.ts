/** The admission plugins the command line asks for, wired to what they read. */
import type { Clock } from '#base/clock.ts';
import { rbacEscalation } from '../authorization/escalation.ts';
import type { RuleResolver } from '../authorization/rbac.ts';
import type { ApiServerConfiguration } from '../options.ts';
import type { Registry } from '../registry/registry.ts';
import type { Authorizer } from '../request.ts';
import type { AdmissionPlugin } from './admission.ts';
import { enabledPlugins } from './chain.ts';
import {
  certificateApproval,
  certificateSigning,
  certificateSubjectRestriction,
} from './plugins/certificate-signing-requests.ts';
import { defaultIngressClass, defaultStorageClass } from './plugins/default-class.ts';
import { defaultTolerationSeconds } from './plugins/default-toleration-seconds.ts';
import { limitRanger } from './plugins/limit-ranger.ts';
import { namespaceLifecycle } from './plugins/namespace-lifecycle.ts';
import { nodeRestriction } from './plugins/node-restriction.ts';
import { podSecurity } from './plugins/pod-security.ts';
import { priority } from './plugins/priority.ts';
import { type Quotas, resourceQuota } from './plugins/resource-quota.ts';
import { runtimeClass } from './plugins/runtime-class.ts';
import { serviceAccount } from './plugins/service-account.ts';
import { storageObjectInUseProtection } from './plugins/storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './plugins/taint-nodes-by-condition.ts';

export interface AdmissionDependencies {
  registry: Registry;
  authorizer: Authorizer;
  /** Undefined: no RBAC, no checks of it. */
  rules: RuleResolver | undefined;
  clock: Clock;
  random: () => number;
  /** Takes addresses for what all others agreed to. */
  serviceAllocation: AdmissionPlugin;
}

/** In upstream's order. A plugin upstream has and we have not is silently left out. */
export function configureAdmission(
  options: ApiServerConfiguration,
  dependencies: AdmissionDependencies,
): AdmissionPlugin[] {
  const { registry, rules, authorizer, random } = dependencies;
  const live = async (resource: string, namespace: string, name: string, group = '') => {
    const target = registry.resource(group, resource);
    const entry = await target?.storage.get(target.key(namespace, name));
    return entry?.object();
  };
  const list = (group: string, resource: string) => registry.lister(group, resource);
  const make: Record<string, () => AdmissionPlugin> = {
    NamespaceLifecycle: () =>
      namespaceLifecycle(
        (name) => list('', 'namespaces').get('', name),
        (name) => live('namespaces', '', name),
      ),
    ServiceAccount: () =>
      serviceAccount(
        (namespace, name) =>
          list('', 'serviceaccounts').get(namespace, name) ?? live('serviceaccounts', namespace, name),
        random,
      ),
    LimitRanger: () => limitRanger((namespace) => list('', 'limitranges').list(namespace)),
    PodSecurity: () =>
      podSecurity({
        namespace: (name) => list('', 'namespaces').get('', name),
        pods: (namespace) => list('', 'pods').list(namespace),
      }),
    NodeRestriction: () => nodeRestriction,
    TaintNodesByCondition: () => taintNodesByCondition,
    Priority: () =>
      priority({
        get: (name) => list('scheduling.k8s.io', 'priorityclasses').get('', name),
        list: () => list('scheduling.k8s.io', 'priorityclasses').list(),
      }),
    RuntimeClass: () =>
      runtimeClass(
        (name) =>
          list('node.k8s.io', 'runtimeclasses').get('', name) ?? live('runtimeclasses', '', name, 'node.k8s.io'),
      ),
    DefaultTolerationSeconds: () =>
      defaultTolerationSeconds(options.admission.notReadySeconds, options.admission.unreachableSeconds),
    DefaultStorageClass: () => defaultStorageClass(() => list('storage.k8s.io', 'storageclasses').list()),
    StorageObjectInUseProtection: () => storageObjectInUseProtection,
    CertificateApproval: () => certificateApproval(authorizer),
    CertificateSigning: () => certificateSigning(authorizer),
    // The library is loaded by the first request for a client certificate.
    CertificateSubjectRestriction: () =>
      certificateSubjectRestriction(async (pem) => (await import('#base/certificates.ts')).organizationsOfRequest(pem)),
    DefaultIngressClass: () => defaultIngressClass(() => list('networking.k8s.io', 'ingressclasses').list()),
  };
  const names = enabledPlugins(options.admission.enabled, options.admission.disabled);
  return [
    ...names.flatMap((name) => make[name]?.() ?? []),
    ...(rules ? [rbacEscalation(rules, authorizer)] : []),
    dependencies.serviceAllocation,
    // Last of all: what is charged here should be written.
    ...(names.includes('ResourceQuota') ? [resourceQuota(quotasOf(registry))] : []),
  ];
}

function quotasOf(registry: Registry): Quotas {
  const target = registry.resource('', 'resourcequotas');
  return {
    list: (namespace) => registry.lister('', 'resourcequotas').list(namespace),
    async update(namespace, name, change) {
      await target?.storage.guaranteedUpdate(target.key(namespace, name), (current) => current && change(current));
    },
  };
}
