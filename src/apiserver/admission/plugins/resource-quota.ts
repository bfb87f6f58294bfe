/**
 * ResourceQuota: what a new object uses is added to the quota's status in the store before the object is written, so that
 * two servers cannot both give away the last of it. What a failed write leaves charged, the quota controller corrects.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { addQuantities, compareQuantities, formatQuantity, parseQuantity } from '#apimachinery/quantity.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

export interface Quotas {
  list(namespace: string): KubeObject[];
  /** Changes a quota in the store; `change` may run again on a fresh copy, and may throw. */
  update(namespace: string, name: string, change: (quota: KubeObject) => KubeObject): Promise<void>;
}

type Usage = Record<string, string>;

export function resourceQuota(quotas: Quotas): AdmissionPlugin {
  return {
    name: 'ResourceQuota',
    handles: (operation) => operation === 'CREATE',
    async validate(attributes) {
      const { object, namespace, subresource, dryRun } = attributes;
      if (!object || namespace === '' || subresource !== '') return;
      const requested = usageOf(attributes, object);
      for (const quota of quotas.list(namespace)) {
        if (!matchesScopes(quota, attributes)) continue;
        const hard: Usage = quota['status']?.hard ?? {};
        checkSpecified(attributes, quota, hard);
        const relevant = Object.keys(requested).filter((name) => hard[name] !== undefined && requested[name] !== '0');
        if (relevant.length === 0) continue;
        if (dryRun) charged(attributes, quota, requested);
        else await quotas.update(namespace, quota.metadata.name!, (current) => charged(attributes, current, requested));
      }
    },
  };
}

/** The quota with the usage added; throws Forbidden if that is too much. */
function charged(attributes: AdmissionAttributes, quota: KubeObject, requested: Usage): KubeObject {
  const hard: Usage = quota['status']?.hard ?? {};
  const used: Usage = { ...quota['status']?.used };
  const exceeded: string[] = [];
  for (const name of Object.keys(requested).sort()) {
    if (hard[name] === undefined) continue;
    const after = addQuantities(parseQuantity(used[name] ?? '0'), parseQuantity(requested[name]!));
    if (compareQuantities(after, parseQuantity(hard[name])) > 0) exceeded.push(name);
    else used[name] = formatQuantity(after);
  }
  if (exceeded.length === 0) return { ...quota, status: { ...quota['status'], used } };
  const show = (usage: Usage) => exceeded.map((name) => `${name}=${usage[name] ?? '0'}`).join(',');
  throw refused(
    attributes,
    `exceeded quota: ${quota.metadata.name}, requested: ${show(requested)}, used: ${show(used)}, limited: ${show(hard)}`,
  );
}

/** Where a quota counts what containers ask for, every container must say it. */
function checkSpecified(attributes: AdmissionAttributes, quota: KubeObject, hard: Usage): void {
  if (!isPod(attributes)) return;
  const missing: string[] = [];
  for (const name of Object.keys(hard).sort()) {
    const split = splitName(name);
    if (!split) continue;
    const silent = containersOf(attributes.object!).filter(
      (c) => c.resources?.[split.field]?.[split.resource] === undefined,
    );
    if (silent.length > 0)
      missing.push(
        `${name} for: ${silent
          .map((c) => c.name)
          .sort()
          .join(',')}`,
      );
  }
  if (missing.length > 0)
    throw refused(attributes, `failed quota: ${quota.metadata.name}: must specify ${missing.join('; ')}`);
}

const compute = ['cpu', 'memory', 'ephemeral-storage'];

/** `requests.cpu`, `limits.memory`, and `cpu` for `requests.cpu`; undefined: not about containers. */
function splitName(name: string): { field: 'requests' | 'limits'; resource: string } | undefined {
  if (compute.includes(name)) return { field: 'requests', resource: name };
  const match = /^(requests|limits)\.(.+)$/.exec(name);
  if (!match || match[2] === 'storage') return undefined;
  return { field: match[1] as 'requests' | 'limits', resource: match[2]! };
}

/** Kinds that are counted under a plain name too. */
const plainCounts = [
  'pods',
  'services',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'replicationcontrollers',
  'resourcequotas',
];

function usageOf(attributes: AdmissionAttributes, object: KubeObject): Usage {
  const { group, resource } = attributes.resource;
  const usage: Usage = { [group === '' ? `count/${resource}` : `count/${resource}.${group}`]: '1' };
  if (group !== '') return usage;
  if (plainCounts.includes(resource)) usage[resource] = '1';
  if (resource === 'pods') Object.assign(usage, podUsage(object));
  if (resource === 'services') {
    const { type, ports = [] } = object['spec'] ?? {};
    if (type === 'LoadBalancer') usage['services.loadbalancers'] = '1';
    usage['services.nodeports'] = String(type === 'NodePort' || type === 'LoadBalancer' ? ports.length : 0);
  }
  if (resource === 'persistentvolumeclaims') {
    const storage: string = object['spec']?.resources?.requests?.storage ?? '0';
    usage['requests.storage'] = storage;
    const name = object['spec']?.storageClassName;
    if (name) {
      usage[`${name}.storageclass.storage.k8s.io/requests.storage`] = storage;
      usage[`${name}.storageclass.storage.k8s.io/persistentvolumeclaims`] = '1';
    }
  }
  return usage;
}

function podUsage(pod: KubeObject): Usage {
  const usage: Usage = {};
  const add = (name: string, text: string) => {
    usage[name] = formatQuantity(addQuantities(parseQuantity(usage[name] ?? '0'), parseQuantity(text)));
  };
  for (const container of pod['spec']?.containers ?? []) {
    for (const [name, text] of Object.entries((container.resources?.requests ?? {}) as Usage)) {
      add(`requests.${name}`, text);
      if (compute.includes(name)) add(name, text);
    }
    for (const [name, text] of Object.entries((container.resources?.limits ?? {}) as Usage))
      add(`limits.${name}`, text);
  }
  return usage;
}

function matchesScopes(quota: KubeObject, attributes: AdmissionAttributes): boolean {
  const scopes: string[] = quota['spec']?.scopes ?? [];
  if (scopes.length === 0) return true;
  if (!isPod(attributes)) return false;
  const pod = attributes.object!;
  const isTerminating = pod['spec'].activeDeadlineSeconds !== undefined;
  const isBestEffort = containersOf(pod).every(
    (c) => Object.keys({ ...c.resources?.requests, ...c.resources?.limits }).length === 0,
  );
  const holds: Record<string, boolean> = {
    Terminating: isTerminating,
    NotTerminating: !isTerminating,
    BestEffort: isBestEffort,
    NotBestEffort: !isBestEffort,
    PriorityClass: Boolean(pod['spec'].priorityClassName),
  };
  return scopes.every((scope) => holds[scope] ?? false);
}

function isPod({ resource, object }: AdmissionAttributes): boolean {
  return resource.group === '' && resource.resource === 'pods' && object?.['spec'] !== undefined;
}

function containersOf(pod: KubeObject): any[] {
  return [...(pod['spec'].initContainers ?? []), ...(pod['spec'].containers ?? [])];
}

function refused(attributes: AdmissionAttributes, why: string) {
  return apiErrors.forbidden(attributes.resource, attributes.object?.metadata.name ?? attributes.name, why);
}
