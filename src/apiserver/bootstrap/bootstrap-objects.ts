/** The objects a cluster starts with, from facts, with this server's addresses filled in. */
import type { KubeObject } from '#apimachinery/object.ts';
import { addressAt, type IpRange } from '../services/ip-range.ts';

export interface BootstrapParameters {
  clusterIpRange: IpRange;
  clusterIpRangeText: string;
  securePort: number;
  /** UTC, for what remembers when it was first started. */
  now: number;
  /** Data of kube-system/extension-apiserver-authentication; empty: no such config map. */
  authenticationConfig: Record<string, string>;
}

/** Namespaces alone: everything else lives in them. */
export async function bootstrapNamespaces(): Promise<KubeObject[]> {
  const { default: facts } = await import('#apis/facts/bootstrap/namespaces.json', { with: { type: 'json' } });
  return itemsOf(facts);
}

/** What RBAC starts with. An administrator's changes are respected: reconcile-rbac.ts. */
export async function bootstrapRbac(): Promise<KubeObject[]> {
  const facts = await Promise.all([
    import('#apis/facts/bootstrap/clusterroles.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/clusterrolebindings.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/roles.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/rolebindings.json', { with: { type: 'json' } }),
  ]);
  return facts.flatMap((f) => itemsOf(f.default));
}

/** What flow control works with until the API says more, and is kept to. */
export async function bootstrapFlows(now: number): Promise<{ levels: KubeObject[]; schemas: KubeObject[] }> {
  const [levels, schemas] = await Promise.all([
    import('#apis/facts/bootstrap/prioritylevelconfigurations.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/flowschemas.json', { with: { type: 'json' } }),
  ]);
  return {
    levels: itemsOf(levels.default),
    schemas: itemsOf(schemas.default).map((schema) => {
      for (const condition of schema['status']?.conditions ?? []) condition.lastTransitionTime = seconds(now);
      return schema;
    }),
  };
}

export async function bootstrapObjects(parameters: BootstrapParameters): Promise<KubeObject[]> {
  const facts = await Promise.all([
    import('#apis/facts/bootstrap/priorityclasses.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/prioritylevelconfigurations.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/flowschemas.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/apiservices.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/servicecidrs.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/services.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/ipaddresses.json', { with: { type: 'json' } }),
    import('#apis/facts/bootstrap/configmaps.json', { with: { type: 'json' } }),
  ]);
  return facts.flatMap((f) => itemsOf(f.default)).flatMap((object) => fill(object, parameters) ?? []);
}

function itemsOf(facts: { items: unknown[] }): KubeObject[] {
  return structuredClone(facts.items) as KubeObject[];
}

/** Placeholders become values, in place; undefined: this server does not need the object. */
function fill(object: KubeObject, p: BootstrapParameters): KubeObject | undefined {
  const firstAddress = addressAt(p.clusterIpRange, 1n);
  switch (object.kind) {
    case 'PriorityClass':
      object['description'] = priorityClassDescriptions[object.metadata.name!] ?? '';
      return object;
    case 'ServiceCIDR':
      object['spec'].cidrs = [p.clusterIpRangeText];
      for (const condition of object['status'].conditions) condition.lastTransitionTime = seconds(p.now);
      return object;
    case 'FlowSchema':
    case 'APIService':
      for (const condition of object['status']?.conditions ?? []) condition.lastTransitionTime = seconds(p.now);
      return object;
    case 'IPAddress':
      object.metadata.name = firstAddress;
      object.metadata.labels!['ipaddress.kubernetes.io/ip-family'] = p.clusterIpRange.family;
      return object;
    case 'Service':
      object['spec'].clusterIP = firstAddress;
      object['spec'].clusterIPs = [firstAddress];
      object['spec'].ipFamilies = [p.clusterIpRange.family];
      object['spec'].ports[0].targetPort = p.securePort;
      return object;
    case 'ConfigMap':
      if (object['data'].since) object['data'].since = new Date(p.now).toISOString().slice(0, 10);
      else if (Object.keys(p.authenticationConfig).length > 0) object['data'] = p.authenticationConfig;
      else return undefined;
      return object;
    default:
      return object;
  }
}

const priorityClassDescriptions: Record<string, string> = {
  'system-cluster-critical': 'For pods the cluster cannot do without; they may move to another node.',
  'system-node-critical': 'For pods their node cannot do without; they stay where they are.',
};

function seconds(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}
