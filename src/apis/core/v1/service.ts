import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { ageOf, labelsCell, none } from '../../table-cells.ts';
import { validateService, validateServiceUpdate } from './service-validation.ts';

export const service: KindModule = {
  definition: { setDefaults },
  strategy: {
    allowCreateOnUpdate: true,
    prepareForUpdate: keepAllocated,
    validate: validateService,
    validateUpdate: validateServiceUpdate,
    selectableFields: ({ spec }) => ({ 'spec.clusterIP': spec?.clusterIP ?? '', 'spec.type': spec?.type ?? '' }),
    tableRow: (object, now) => {
      const { spec = {}, status } = object;
      return [
        object.metadata.name ?? '',
        spec.type ?? '',
        spec.clusterIPs?.[0] ?? spec.clusterIP ?? none,
        externalIpCell(spec, status),
        portsCell(spec),
        ageOf(object, now),
        labelsCell(spec.selector),
      ];
    },
  },
};

const clientIpTimeoutSeconds = 10_800;

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'sessionAffinity', 'None');
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    const clientIp = ensure(ensure(spec, 'sessionAffinityConfig'), 'clientIP');
    setDefault(clientIp, 'timeoutSeconds', clientIpTimeoutSeconds);
  }
  setDefault(spec, 'type', 'ClusterIP');
  for (const port of each(spec.ports)) {
    setDefault(port, 'protocol', 'TCP');
    if (!port.targetPort) port.targetPort = port.port ?? 0;
  }
  if (isNodeExposed(spec) || spec.externalIPs?.length) setDefault(spec, 'externalTrafficPolicy', 'Cluster');
  if (spec.type === 'LoadBalancer') setDefault(spec, 'allocateLoadBalancerNodePorts', true);
  if (spec.type !== 'ExternalName') setDefault(spec, 'internalTrafficPolicy', 'Cluster');
}

function isNodeExposed(spec: Fields): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

/** A client may leave out what was allocated; a type that has no use for something loses it. */
function keepAllocated(object: KubeObject, old: KubeObject): void {
  const { spec } = object;
  const before = old.spec;
  if (spec.type === 'ExternalName') {
    if (before.type === 'ExternalName') return;
    const unused = ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'];
    for (const field of unused) if (same(spec[field], before[field])) delete spec[field];
  } else if (before.type !== 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'])
      if (spec[field] === undefined || spec[field] === null) spec[field] = before[field];
  }
  if (isNodeExposed(spec)) keepNodePorts(spec, before);
  else {
    const oldPorts = new Set(each(before.ports).map((port) => port.nodePort));
    if (isNodeExposed(before))
      for (const port of each(spec.ports)) if (oldPorts.has(port.nodePort)) delete port.nodePort;
    if (!spec.externalIPs?.length && same(spec.externalTrafficPolicy, before.externalTrafficPolicy))
      delete spec.externalTrafficPolicy;
  }
  if (spec.type !== 'LoadBalancer') {
    if (same(spec.allocateLoadBalancerNodePorts, before.allocateLoadBalancerNodePorts))
      delete spec.allocateLoadBalancerNodePorts;
    object.status = { ...object.status, loadBalancer: {} };
  }
}

function keepNodePorts(spec: Fields, before: Fields): void {
  const ports = new Map(each(before.ports).map((port) => [`${port.protocol}/${port.port}`, port.nodePort]));
  for (const port of each(spec.ports)) {
    const allocated = ports.get(`${port.protocol}/${port.port}`);
    if (!port.nodePort && allocated) port.nodePort = allocated;
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function externalIpCell(spec: Fields, status: Fields): string {
  const external: string[] = spec.externalIPs ?? [];
  if (spec.type === 'ExternalName') return spec.externalName ?? '';
  if (spec.type !== 'LoadBalancer') return external.join(',') || none;
  const balanced = each(status?.loadBalancer?.ingress).map((ingress) => ingress.ip || ingress.hostname);
  return [...balanced, ...external].join(',') || '<pending>';
}

function portsCell(spec: Fields): string {
  const ports = each(spec.ports).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return ports.join(',') || none;
}
