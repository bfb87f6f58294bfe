import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { each, type Fields } from '../../set-default.ts';
import { configKeyErrors, dnsSubdomain, invalidFor } from '../../validation/values.ts';

/** `env` and `envFrom` of a container. */
export function validateEnv(container: Fields, field: string): FieldError[] {
  return [
    ...each(container.env).flatMap((env, i) => {
      const at = `${field}.env[${i}]`;
      return [...validateName(env.name, `${at}.name`), ...validateValueFrom(env, `${at}.valueFrom`)];
    }),
    ...each(container.envFrom).flatMap((source, i) => validateEnvFrom(source, `${field}.envFrom[${i}]`)),
  ];
}

const printableButEquals = /^[ -<>-~]+$/;

function validateName(name: string | undefined, field: string): FieldError[] {
  if (!name) return [fieldError.required(field)];
  if (printableButEquals.test(name)) return [];
  return [
    fieldError.invalid(
      field,
      name,
      "a valid environment variable name must consist only of printable ASCII characters other than '='",
    ),
  ];
}

const sources = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'];

function validateValueFrom(env: Fields, field: string): FieldError[] {
  const from = env.valueFrom;
  if (!from) return [];
  const given = sources.filter((source) => from[source]);
  const errors: FieldError[] = [];
  if (from.fieldRef) errors.push(...validateFieldRef(from.fieldRef, `${field}.fieldRef`, envFieldPaths));
  for (const source of ['configMapKeyRef', 'secretKeyRef'])
    if (from[source]) errors.push(...validateKeyRef(from[source], `${field}.${source}`));
  if (given.length === 0)
    errors.push(
      fieldError.invalid(
        field,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    );
  else if (env.value) errors.push(fieldError.invalid(field, '', 'may not be specified when `value` is not empty'));
  else if (given.length > 1)
    errors.push(fieldError.invalid(field, '', 'may not have more than one field specified at a time'));
  return errors;
}

function validateKeyRef(ref: Fields, field: string): FieldError[] {
  return [
    ...dnsSubdomain(`${field}.name`, ref.name ?? ''),
    ...(ref.key
      ? invalidFor(`${field}.key`, ref.key, configKeyErrors(ref.key))
      : [fieldError.required(`${field}.key`)]),
  ];
}

function validateEnvFrom(source: Fields, field: string): FieldError[] {
  const errors = source.prefix ? validateName(source.prefix, `${field}.prefix`) : [];
  const given = ['configMapRef', 'secretRef'].filter((ref) => source[ref]);
  for (const ref of given) errors.push(...dnsSubdomain(`${field}.${ref}.name`, source[ref].name ?? ''));
  if (given.length === 0)
    errors.push(fieldError.invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`'));
  else if (given.length > 1)
    errors.push(fieldError.invalid(field, '', 'may not have more than one field specified at a time'));
  return errors;
}

const envFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
/** Paths that name a field of a pod, though a variable may not take its value. */
const otherFieldPaths = [
  'metadata.labels',
  'metadata.annotations',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.host',
  'status.phase',
];

/** Also what a downward API volume may name, which takes whole maps of metadata but not addresses. */
export function validateFieldRef(ref: Fields, field: string, supported: readonly string[]): FieldError[] {
  if (!ref.apiVersion) return [fieldError.required(`${field}.apiVersion`)];
  const path: string = ref.fieldPath ?? '';
  if (!path) return [fieldError.required(`${field}.fieldPath`)];
  if (/^metadata\.(labels|annotations)\['.+'\]$/.test(path)) return [];
  if (!envFieldPaths.includes(path) && !otherFieldPaths.includes(path))
    return [
      fieldError.invalid(`${field}.fieldPath`, path, `error converting fieldPath: field label not supported: ${path}`),
    ];
  return supported.includes(path) ? [] : [fieldError.notSupported(`${field}.fieldPath`, path, supported)];
}
