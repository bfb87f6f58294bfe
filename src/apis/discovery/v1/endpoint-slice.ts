import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { protocols } from '../../core/v1/service-validation.ts';
import { each, type Fields, setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { parseIp, routableIp } from '../../validation/ip.ts';
import { dnsLabel, dnsSubdomain, oneOf } from '../../validation/values.ts';

export const endpointSlice: KindModule = {
  definition: {
    setDefaults(object) {
      // Upstream's storage knows no empty list.
      if (object.endpoints?.length === 0) object.endpoints = null;
      for (const port of each(object.ports)) {
        port.name ??= '';
        setDefault(port, 'protocol', 'TCP');
      }
    },
  },
  strategy: {
    hasGeneration: true,
    generationOf: ({ addressType, endpoints, ports }) => ({ addressType, endpoints, ports }),
    validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...immutable('addressType', object.addressType, old.addressType),
    ],
    tableRow: (object, now) => [
      object.metadata.name ?? '',
      object.addressType ?? '',
      shorten(each(object.ports).map(({ port }) => String(port ?? '*'))) || '<unset>',
      shorten(each(object.endpoints).flatMap((endpoint) => (endpoint.addresses ?? []) as string[])) || '<unset>',
      ageOf(object, now),
    ],
  },
};

const shownMax = 3;

function shorten(texts: readonly string[]): string {
  const shown = texts.slice(0, shownMax).join(',');
  return texts.length > shownMax ? `${shown} + ${texts.length - shownMax} more...` : shown;
}

const addressTypes = ['FQDN', 'IPv4', 'IPv6'];
const endpointsMax = 1000;
const addressesMax = 100;
const portsMax = 20_000;

function validate(object: KubeObject): FieldError[] {
  const { addressType = '' } = object;
  const errors = addressType ? oneOf('addressType', addressType, addressTypes) : [fieldError.required('addressType')];
  errors.push(...validatePorts(each(object.ports)));
  const endpoints = each(object.endpoints);
  if (endpoints.length > endpointsMax)
    return [...errors, fieldError.tooMany('endpoints', endpoints.length, endpointsMax)];
  return [...errors, ...endpoints.flatMap((endpoint, i) => validateEndpoint(endpoint, `endpoints[${i}]`, addressType))];
}

function validatePorts(ports: Fields[]): FieldError[] {
  if (ports.length > portsMax) return [fieldError.tooMany('ports', ports.length, portsMax)];
  const names = new Set<string>();
  return ports.flatMap((port, i) => {
    const at = `ports[${i}]`;
    const { name = '' } = port;
    const errors: FieldError[] = name ? dnsLabel(`${at}.name`, name) : [];
    if (names.has(name)) errors.push(fieldError.duplicate(`${at}.name`, name));
    names.add(name);
    return [...errors, ...oneOf(`${at}.protocol`, port.protocol, protocols)];
  });
}

function validateEndpoint(endpoint: Fields, field: string, addressType: string): FieldError[] {
  const addresses: string[] = endpoint.addresses ?? [];
  const at = `${field}.addresses`;
  const errors: FieldError[] = [];
  if (addresses.length === 0) errors.push(fieldError.required(at, 'must contain at least 1 address'));
  else if (addresses.length > addressesMax) errors.push(fieldError.tooMany(at, addresses.length, addressesMax));
  else
    addresses.forEach((address, i) => {
      errors.push(...validateAddress(address, `${at}[${i}]`, addressType));
    });
  if (endpoint.nodeName) errors.push(...dnsSubdomain(`${field}.nodeName`, endpoint.nodeName));
  if (endpoint.hostname) errors.push(...dnsLabel(`${field}.hostname`, endpoint.hostname));
  return errors;
}

function validateAddress(address: string, field: string, addressType: string): FieldError[] {
  if (addressType === 'FQDN') return dnsSubdomain(field, address);
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return [];
  if (parseIp(address)?.family !== addressType)
    return [
      fieldError.invalid(
        field,
        address,
        addressType === 'IPv4' ? 'must be a valid IPv4 address' : 'must be a valid IPv6 address',
      ),
    ];
  return routableIp(field, address);
}
