import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { each, type Fields } from '../../set-default.ts';
import { semanticEqual } from '../../validation/immutable.ts';
import { ipAddress, routableIp } from '../../validation/ip.ts';
import { validateLabels } from '../../validation/label-selector.ts';
import { dnsLabel, dnsSubdomain, inRange, oneOf, portNumber, portNumberOrName } from '../../validation/values.ts';

export const protocols = ['SCTP', 'TCP', 'UDP'];
const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const affinitySecondsMax = 86_400;

export function validateService({ spec }: KubeObject): FieldError[] {
  const isHeadless = spec.clusterIP === 'None';
  const errors: FieldError[] = [];
  if (each(spec.ports).length === 0 && !isHeadless && spec.type !== 'ExternalName')
    errors.push(fieldError.required('spec.ports'));
  if (isHeadless && (spec.type === 'NodePort' || spec.type === 'LoadBalancer'))
    errors.push(fieldError.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`));
  errors.push(...validateExternalName(spec));
  const names = new Set<string>();
  const several = each(spec.ports).length > 1;
  each(spec.ports).forEach((port, i) => {
    errors.push(...validatePort(port, `spec.ports[${i}]`, several, names));
  });
  errors.push(...validateLabels(spec.selector, 'spec.selector'));
  errors.push(...oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']));
  if (spec.sessionAffinity === 'ClientIP')
    errors.push(
      ...inRange(
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
        spec.sessionAffinityConfig?.clientIP?.timeoutSeconds,
        1,
        affinitySecondsMax,
      ),
    );
  errors.push(...validateClusterIps(spec));
  ((spec.externalIPs ?? []) as string[]).forEach((ip, i) => {
    const at = `spec.externalIPs[${i}]`;
    const wrong = ipAddress(at, ip);
    errors.push(...(wrong.length > 0 ? wrong : routableIp(at, ip)));
  });
  errors.push(...oneOf('spec.type', spec.type, types));
  errors.push(...validateNodePorts(spec), ...validateUniquePorts(spec));
  errors.push(...oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local']));
  errors.push(...oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']));
  return errors;
}

export function validateServiceUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  return [...validateClusterIpsKept(object.spec, old.spec), ...validateService(object)];
}

function validateExternalName(spec: Fields): FieldError[] {
  if (spec.type !== 'ExternalName') return [];
  const errors: FieldError[] = [];
  if (spec.clusterIPs?.length)
    errors.push(fieldError.forbidden('spec.clusterIPs', 'may not be set for ExternalName services'));
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (name === '') errors.push(fieldError.required('spec.externalName'));
  else errors.push(...dnsSubdomain('spec.externalName', name));
  return errors;
}

function validatePort(port: Fields, field: string, nameRequired: boolean, names: Set<string>): FieldError[] {
  const errors: FieldError[] = [];
  if (!port.name) {
    if (nameRequired) errors.push(fieldError.required(`${field}.name`));
  } else {
    errors.push(...dnsLabel(`${field}.name`, port.name));
    if (names.has(port.name)) errors.push(fieldError.duplicate(`${field}.name`, port.name));
    names.add(port.name);
  }
  errors.push(...portNumber(`${field}.port`, port.port));
  errors.push(...oneOf(`${field}.protocol`, port.protocol, protocols));
  errors.push(...portNumberOrName(`${field}.targetPort`, port.targetPort));
  return errors;
}

function validateClusterIps(spec: Fields): FieldError[] {
  const ips: string[] = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  const field = 'spec.clusterIPs';
  if (ips.length > 2) return [fieldError.invalid(field, ips, 'may only hold up to 2 values')];
  return ips.flatMap((ip, i) => {
    if (ip !== 'None') return ipAddress(`${field}[${i}]`, ip);
    return ips.length > 1 ? [fieldError.invalid(`${field}[${i}]`, ip, "'None' must be the first and only value")] : [];
  });
}

function validateNodePorts(spec: Fields): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  each(spec.ports).forEach(({ nodePort, protocol }, i) => {
    if (!nodePort) return;
    const field = `spec.ports[${i}].nodePort`;
    if (spec.type === 'ClusterIP' || spec.type === 'ExternalName')
      errors.push(fieldError.forbidden(field, `may not be used when \`type\` is '${spec.type}'`));
    const key = `${protocol}/${nodePort}`;
    if (seen.has(key)) errors.push(fieldError.duplicate(field, nodePort));
    seen.add(key);
  });
  return errors;
}

function validateUniquePorts(spec: Fields): FieldError[] {
  const seen = new Set<string>();
  return each(spec.ports).flatMap(({ port, protocol }, i) => {
    const key = `${protocol}/${port}`;
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    const shown = { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
    return [fieldError.duplicate(`spec.ports[${i}]`, shown)];
  });
}

/** The first address stays as long as the service has a use for one. */
function validateClusterIpsKept(spec: Fields, before: Fields): FieldError[] {
  if (spec.type === 'ExternalName' || before.type === 'ExternalName') return [];
  const ips: string[] = spec.clusterIPs ?? [];
  const old: string[] = before.clusterIPs ?? [];
  if (old.length === 0) return [];
  if (ips.length === 0) return [fieldError.invalid('spec.clusterIPs[0]', ips, 'primary clusterIP can not be unset')];
  if (ips[0] !== old[0]) return [fieldError.invalid('spec.clusterIPs[0]', ips, 'may not change once set')];
  if (ips[1] !== undefined && old[1] !== undefined && !semanticEqual(ips[1], old[1]))
    return [fieldError.invalid('spec.clusterIPs[1]', ips, 'may not change once set')];
  return [];
}
