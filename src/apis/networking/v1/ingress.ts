import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, type Fields } from '../../set-default.ts';
import { ageOf, none } from '../../table-cells.ts';
import { parseIp } from '../../validation/ip.ts';
import { dnsLabel, dnsSubdomain, invalidFor, oneOf, portNameErrors, portNumber } from '../../validation/values.ts';

export const ingress: KindModule = {
  strategy: {
    hasGeneration: true,
    validate,
    validateUpdate: validate,
    tableRow: (object, now) => {
      const { spec = {}, status } = object;
      const hosts = each(spec.rules)
        .map((rule) => rule.host)
        .filter(Boolean);
      const shown = hosts.slice(0, hostsShownMax).join(',') || '*';
      const addresses = each(status?.loadBalancer?.ingress).map((i) => i.ip || i.hostname);
      return [
        object.metadata.name ?? '',
        spec.ingressClassName ?? object.metadata.annotations?.['kubernetes.io/ingress.class'] ?? none,
        hosts.length > hostsShownMax ? `${shown} + ${hosts.length - hostsShownMax} more...` : shown,
        addresses.join(','),
        each(spec.tls).length > 0 ? '80, 443' : '80',
        ageOf(object, now),
      ];
    },
  },
};

const hostsShownMax = 3;

function validate({ spec = {} }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.defaultBackend && each(spec.rules).length === 0)
    errors.push(fieldError.invalid('spec', null, 'either `defaultBackend` or `rules` must be specified'));
  if (spec.defaultBackend) errors.push(...validateBackend(spec.defaultBackend, 'spec.defaultBackend'));
  each(spec.rules).forEach((rule, i) => {
    errors.push(...validateRule(rule, `spec.rules[${i}]`));
  });
  each(spec.tls).forEach((tls, i) => {
    ((tls.hosts ?? []) as string[]).forEach((host, j) => {
      errors.push(...hostName(`spec.tls[${i}].hosts[${j}]`, host));
    });
  });
  if (spec.ingressClassName) errors.push(...dnsSubdomain('spec.ingressClassName', spec.ingressClassName));
  return errors;
}

function validateRule({ host = '', http }: Fields, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (host && parseIp(host))
    errors.push(fieldError.invalid(`${field}.host`, host, 'must be a DNS name, not an IP address'));
  else if (host) errors.push(...hostName(`${field}.host`, host));
  if (!http) return errors;
  if (each(http.paths).length === 0) errors.push(fieldError.required(`${field}.http.paths`));
  each(http.paths).forEach((path, i) => {
    errors.push(...validatePath(path, `${field}.http.paths[${i}]`));
  });
  return errors;
}

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];

function validatePath({ path = '', pathType, backend = {} }: Fields, field: string): FieldError[] {
  if (!pathType) return [fieldError.required(`${field}.pathType`, 'pathType must be specified')];
  const errors = oneOf(`${field}.pathType`, pathType, pathTypes);
  const mayBeEmpty = pathType === 'ImplementationSpecific' && path === '';
  if (!mayBeEmpty && !path.startsWith('/'))
    errors.push(fieldError.invalid(`${field}.path`, path, 'must be an absolute path'));
  return [...errors, ...validateBackend(backend, `${field}.backend`)];
}

function validateBackend({ service, resource }: Fields, field: string): FieldError[] {
  if (resource && service) return [fieldError.invalid(field, '', 'cannot set both resource and service backends')];
  if (resource) return [];
  if (!service) return [fieldError.required(field, 'resource or service backend is required')];
  const errors = service.name
    ? dnsLabel(`${field}.service.name`, service.name)
    : [fieldError.required(`${field}.service.name`)];
  const { name, number } = service.port ?? {};
  if (name && number) errors.push(fieldError.invalid(field, '', 'cannot set both port name & port number'));
  else if (name) errors.push(...invalidFor(`${field}.service.port.name`, name, portNameErrors(name)));
  else if (number) errors.push(...portNumber(`${field}.service.port.number`, number));
  else errors.push(fieldError.required(field, 'port name or number is required'));
  return errors;
}

const wildcard = /^\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function hostName(field: string, host: string): FieldError[] {
  if (!host.includes('*')) return dnsSubdomain(field, host);
  if (wildcard.test(host)) return [];
  return [
    fieldError.invalid(
      field,
      host,
      `a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '${wildcard.source.slice(1, -1)}')`,
    ),
  ];
}
