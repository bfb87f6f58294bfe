import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, type Fields, setDefault } from '../../set-default.ts';
import { ageOf, none } from '../../table-cells.ts';
import { ipAddress, routableIp } from '../../validation/ip.ts';
import { dnsLabel, dnsSubdomain, oneOf, portNumber } from '../../validation/values.ts';
import { protocols } from './service-validation.ts';

export const endpoints: KindModule = {
  definition: {
    setDefaults(object) {
      for (const subset of each(object.subsets))
        for (const port of each(subset.ports)) setDefault(port, 'protocol', 'TCP');
    },
  },
  strategy: {
    allowCreateOnUpdate: true,
    validate,
    validateUpdate: validate,
    warnings: () => ['v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
    tableRow: (object, now) => [object.metadata.name ?? '', endpointsCell(object), ageOf(object, now)],
  },
};

function validate(object: KubeObject): FieldError[] {
  return each(object.subsets).flatMap((subset, i) => {
    const at = `subsets[${i}]`;
    const errors: FieldError[] = [];
    if (!subset.addresses?.length && !subset.notReadyAddresses?.length)
      errors.push(fieldError.required(at, 'must specify `addresses` or `notReadyAddresses`'));
    for (const list of ['addresses', 'notReadyAddresses'])
      each(subset[list]).forEach((address, j) => {
        errors.push(...validateAddress(address, `${at}.${list}[${j}]`));
      });
    const several = each(subset.ports).length > 1;
    each(subset.ports).forEach((port, j) => {
      errors.push(...validatePort(port, `${at}.ports[${j}]`, several));
    });
    return errors;
  });
}

function validateAddress({ ip = '', hostname, nodeName }: Fields, field: string): FieldError[] {
  return [
    ...ipAddress(`${field}.ip`, ip),
    ...(hostname ? dnsLabel(`${field}.hostname`, hostname) : []),
    ...(nodeName ? dnsSubdomain(`${field}.nodeName`, nodeName) : []),
    ...routableIp(`${field}.ip`, ip),
  ];
}

function validatePort(port: Fields, field: string, nameRequired: boolean): FieldError[] {
  return [
    ...(port.name ? dnsLabel(`${field}.name`, port.name) : nameRequired ? [fieldError.required(`${field}.name`)] : []),
    ...portNumber(`${field}.port`, port.port),
    ...oneOf(`${field}.protocol`, port.protocol, protocols),
  ];
}

const shownMax = 3;

function endpointsCell(object: KubeObject): string {
  const all = each(object.subsets).flatMap((subset) => {
    const addresses = each(subset.addresses);
    const ports = each(subset.ports);
    if (ports.length === 0) return addresses.map(({ ip }) => ip as string);
    return ports.flatMap(({ port }) =>
      addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)),
    );
  });
  const shown = all.slice(0, shownMax).join(',') || none;
  return all.length > shownMax ? `${shown} + ${all.length - shownMax} more...` : shown;
}
