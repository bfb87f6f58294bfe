/** LimitRanger: what a namespace's limit ranges give containers that do not say, and what they forbid. */
import type { KubeObject } from '#apimachinery/object.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  quantityMilliValue,
} from '#apimachinery/quantity.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

type Resources = Record<string, string>;
interface LimitItem {
  type: string;
  max?: Resources;
  min?: Resources;
  default?: Resources;
  defaultRequest?: Resources;
  maxLimitRequestRatio?: Resources;
}
interface Usage {
  requests: Resources;
  limits: Resources;
}

const annotation = 'kubernetes.io/limit-ranger';

export function limitRanger(list: (namespace: string) => KubeObject[]): AdmissionPlugin {
  return {
    name: 'LimitRanger',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    admit(attributes) {
      if (attributes.operation !== 'CREATE' || !isPod(attributes)) return;
      for (const item of itemsOf(list(attributes.namespace), 'Container')) setDefaults(attributes.object!, item);
    },
    validate(attributes) {
      const { object, namespace, resource } = attributes;
      if (!object || (attributes.operation === 'UPDATE' && isPod(attributes))) return;
      let errors: string[] = [];
      if (isPod(attributes)) errors = checkPod(object, list(namespace));
      else if (resource.group === '' && resource.resource === 'persistentvolumeclaims' && attributes.subresource === '')
        errors = itemsOf(list(namespace), 'PersistentVolumeClaim').flatMap((item) =>
          check(item, { requests: object['spec']?.resources?.requests ?? {}, limits: {} }, false),
        );
      if (errors.length === 0) return;
      const why = errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`;
      throw apiErrors.forbidden(resource, object.metadata.name ?? '', why);
    },
  };
}

function isPod({ resource, subresource, object }: AdmissionAttributes): boolean {
  return resource.group === '' && resource.resource === 'pods' && subresource === '' && object?.['spec'] !== undefined;
}

function itemsOf(ranges: readonly KubeObject[], type: string): LimitItem[] {
  return ranges.flatMap((r) => ((r['spec']?.limits ?? []) as LimitItem[]).filter((item) => item.type === type));
}

function setDefaults(pod: KubeObject, item: LimitItem): void {
  const limits = { ...item.max, ...item.default };
  const requests = { ...item.min, ...limits, ...item.defaultRequest };
  const done: string[] = [];
  const fill = (container: any, field: 'requests' | 'limits', defaults: Resources) => {
    const own: Resources = container.resources?.[field] ?? {};
    const missing = Object.keys(defaults).filter((name) => own[name] === undefined);
    if (missing.length === 0) return;
    container.resources ??= {};
    container.resources[field] = { ...own };
    for (const name of missing) container.resources[field][name] = defaults[name];
    done.push(`${missing.sort().join(', ')} ${field.slice(0, -1)} for container ${container.name}`);
  };
  for (const container of [...(pod['spec'].initContainers ?? []), ...(pod['spec'].containers ?? [])]) {
    fill(container, 'requests', { ...requests, ...container.resources?.limits });
    fill(container, 'limits', limits);
  }
  if (done.length === 0) return;
  const text = `LimitRanger plugin set: ${done.join('; ')}`;
  pod.metadata.annotations = { ...pod.metadata.annotations, [annotation]: text };
}

function checkPod(pod: KubeObject, ranges: readonly KubeObject[]): string[] {
  const containers: Usage[] = (pod['spec'].containers ?? []).map(usageOf);
  const all = [...(pod['spec'].initContainers ?? []).map(usageOf), ...containers];
  const total: Usage = { requests: sum(containers, 'requests'), limits: sum(containers, 'limits') };
  return ranges.flatMap((range) =>
    ((range['spec']?.limits ?? []) as LimitItem[]).flatMap((item) => {
      if (item.type === 'Container') return all.flatMap((usage) => check(item, usage, true));
      return item.type === 'Pod' ? check(item, total, true) : [];
    }),
  );
}

function usageOf(container: any): Usage {
  return { requests: container.resources?.requests ?? {}, limits: container.resources?.limits ?? {} };
}

function sum(usages: readonly Usage[], field: keyof Usage): Resources {
  const total = new Map<string, Quantity>();
  for (const usage of usages)
    for (const [name, text] of Object.entries(usage[field])) {
      const before = total.get(name);
      const quantity = parseQuantity(text);
      total.set(name, before ? addQuantities(before, quantity) : quantity);
    }
  return Object.fromEntries([...total].map(([name, quantity]) => [name, formatQuantity(quantity)]));
}

/** Upstream's sentences. `hasLimits`: claims have requests only. */
function check(item: LimitItem, usage: Usage, hasLimits: boolean): string[] {
  const errors: string[] = [];
  const sorted = (resources: Resources | undefined) =>
    Object.entries(resources ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const compare = (a: string, b: string) => compareQuantities(parseQuantity(a), parseQuantity(b));
  for (const [name, bound] of sorted(item.min)) {
    const head = `minimum ${name} usage per ${item.type} is ${bound}`;
    const [request, limit] = [usage.requests[name], usage.limits[name]];
    if (request === undefined) errors.push(`${head}.  No request is specified`);
    else if (compare(request, bound) < 0) errors.push(`${head}, but request is ${request}`);
    else if (limit !== undefined && compare(limit, bound) < 0) errors.push(`${head}, but limit is ${limit}`);
  }
  for (const [name, bound] of sorted(item.max)) {
    const head = `maximum ${name} usage per ${item.type} is ${bound}`;
    const [request, limit] = [usage.requests[name], usage.limits[name]];
    if (hasLimits && limit === undefined) errors.push(`${head}.  No limit is specified`);
    else if (limit !== undefined && compare(limit, bound) > 0) errors.push(`${head}, but limit is ${limit}`);
    else if (request !== undefined && compare(request, bound) > 0) errors.push(`${head}, but request is ${request}`);
  }
  for (const [name, bound] of sorted(item.maxLimitRequestRatio)) {
    const head = `${name} max limit to request ratio per ${item.type} is ${bound}`;
    const [request, limit] = [quantityMilliValue(usage.requests[name]), quantityMilliValue(usage.limits[name])];
    if (!request) errors.push(`${head}, but no request is specified or request is 0`);
    else if (!limit) errors.push(`${head}, but no limit is specified or limit is 0`);
    else if (limit / request > quantityMilliValue(bound) / 1000)
      errors.push(`${head}, but provided ratio is ${(limit / request).toFixed(6)}`);
  }
  return errors;
}
