import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { each, type Fields } from '../../set-default.ts';
import { dnsLabel, dnsSubdomain, oneOf } from '../../validation/values.ts';
import { validateFieldRef } from './env-validation.ts';

export function validateVolumes(volumes: unknown, field: string): FieldError[] {
  const names = new Set<string>();
  return each(volumes).flatMap((volume, i) => {
    const at = `${field}[${i}]`;
    const errors = validateSources(volume, at, podVolumeSources);
    if (!volume.name) errors.push(fieldError.required(`${at}.name`));
    else errors.push(...dnsLabel(`${at}.name`, volume.name));
    if (names.has(volume.name)) errors.push(fieldError.duplicate(`${at}.name`, volume.name));
    if (errors.length === 0) names.add(volume.name);
    return errors;
  });
}

/** Exactly one source. `sources` are in the order in which they are looked for. */
export function validateSources(volume: Fields, field: string, sources: readonly string[]): FieldError[] {
  const given = sources.filter((source) => volume[source]);
  if (given.length === 0) return [fieldError.required(field, 'must specify a volume type')];
  return given.flatMap((source, i) =>
    i > 0
      ? [fieldError.forbidden(`${field}.${source}`, 'may not specify more than 1 volume type')]
      : (sourceRules[source]?.(volume[source], `${field}.${source}`) ?? []),
  );
}

export const persistentVolumeSources = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
  'flexVolume',
];

const podVolumeSources = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'azureFile',
  'flexVolume',
  'configMap',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
];

const hostPathTypes = [
  '',
  'DirectoryOrCreate',
  'Directory',
  'FileOrCreate',
  'File',
  'Socket',
  'CharDevice',
  'BlockDevice',
];
const downwardFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.labels',
  'metadata.annotations',
  'metadata.uid',
];

const sourceRules: Record<string, (source: Fields, field: string) => FieldError[]> = {
  hostPath: (source, field) =>
    source.path
      ? [...noBacksteps(`${field}.path`, source.path), ...oneOf(`${field}.type`, source.type, hostPathTypes)]
      : [fieldError.required(`${field}.path`)],
  secret: (source, field) => [
    ...requiredFields(source, field, ['secretName']),
    ...validateFileMode(`${field}.defaultMode`, source.defaultMode),
    ...validateKeyPaths(source.items, `${field}.items`),
  ],
  configMap: (source, field) => [
    ...requiredFields(source, field, ['name']),
    ...validateFileMode(`${field}.defaultMode`, source.defaultMode),
    ...validateKeyPaths(source.items, `${field}.items`),
  ],
  nfs: (source, field) => {
    const errors = requiredFields(source, field, ['server', 'path']);
    if (source.path && !source.path.startsWith('/'))
      errors.push(fieldError.invalid(`${field}.path`, source.path, 'must be an absolute path'));
    return errors;
  },
  persistentVolumeClaim: (source, field) => requiredFields(source, field, ['claimName']),
  downwardAPI: (source, field) => [
    ...validateFileMode(`${field}.defaultMode`, source.defaultMode),
    ...each(source.items).flatMap((item, i) => validateDownwardItem(item, `${field}.items[${i}]`)),
  ],
  projected: (source, field) => [
    ...validateFileMode(`${field}.defaultMode`, source.defaultMode),
    ...each(source.sources).flatMap((s, i) => validateProjection(s, `${field}.sources[${i}]`)),
  ],
  csi: (source, field) => requiredFields(source, field, ['driver']),
  local: (source, field) =>
    source.path ? noBacksteps(`${field}.path`, source.path) : [fieldError.required(`${field}.path`)],
  iscsi: (source, field) => requiredFields(source, field, ['targetPortal', 'iqn']),
  ephemeral: (source, field) =>
    source.volumeClaimTemplate ? [] : [fieldError.required(`${field}.volumeClaimTemplate`)],
};

function requiredFields(source: Fields, field: string, names: readonly string[]): FieldError[] {
  return names.filter((name) => !source[name]).map((name) => fieldError.required(`${field}.${name}`));
}

function validateFileMode(field: string, mode: unknown): FieldError[] {
  return typeof mode === 'number' && (mode < 0 || mode > 0o777)
    ? [fieldError.invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')]
    : [];
}

function validateKeyPaths(items: unknown, field: string): FieldError[] {
  return each(items).flatMap((item, i) => {
    const at = `${field}[${i}]`;
    return [
      ...requiredFields(item, at, ['key', 'path']),
      ...(item.path ? fileName(`${at}.path`, item.path) : []),
      ...validateFileMode(`${at}.mode`, item.mode),
    ];
  });
}

function validateDownwardItem(item: Fields, field: string): FieldError[] {
  const errors = requiredFields(item, field, ['path']);
  if (item.path) errors.push(...fileName(`${field}.path`, item.path));
  if (item.fieldRef) {
    errors.push(...validateFieldRef(item.fieldRef, `${field}.fieldRef`, downwardFieldPaths));
    if (item.resourceFieldRef)
      errors.push(
        fieldError.invalid(field, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'),
      );
  } else if (!item.resourceFieldRef)
    errors.push(fieldError.required(field, 'one of fieldRef and resourceFieldRef is required'));
  return [...errors, ...validateFileMode(`${field}.mode`, item.mode)];
}

const tokenSecondsMin = 600;
const tokenSecondsMax = 2 ** 32;

function validateProjection(source: Fields, field: string): FieldError[] {
  const token = source.serviceAccountToken;
  const errors = [
    ...each(source.downwardAPI?.items).flatMap((item, i) =>
      validateDownwardItem(item, `${field}.downwardAPI.items[${i}]`),
    ),
    ...['secret', 'configMap'].flatMap((ref) =>
      source[ref]
        ? [
            ...requiredFields(source[ref], `${field}.${ref}`, ['name']),
            ...validateKeyPaths(source[ref].items, `${field}.${ref}.items`),
          ]
        : [],
    ),
  ];
  if (!token) return errors;
  const seconds = `${field}.serviceAccountToken.expirationSeconds`;
  if (token.expirationSeconds < tokenSecondsMin)
    errors.push(
      fieldError.invalid(seconds, token.expirationSeconds, 'may not specify a duration less than 10 minutes'),
    );
  if (token.expirationSeconds > tokenSecondsMax)
    errors.push(
      fieldError.invalid(seconds, token.expirationSeconds, 'may not specify a duration larger than 2^32 seconds'),
    );
  return [...errors, ...requiredFields(token, `${field}.serviceAccountToken`, ['path'])];
}

/** A path below a directory that the volume fills: relative, and never up. */
export function descendingPath(field: string, path: string): FieldError[] {
  const errors = path.startsWith('/') ? [fieldError.invalid(field, path, 'must be a relative path')] : [];
  return [...errors, ...noBacksteps(field, path)];
}

function fileName(field: string, path: string): FieldError[] {
  const errors = descendingPath(field, path);
  if (path.startsWith('..') && !path.split('/').includes('..'))
    errors.push(fieldError.invalid(field, path, "must not start with '..'"));
  return errors;
}

export function noBacksteps(field: string, path: string): FieldError[] {
  return path.split('/').includes('..') ? [fieldError.invalid(field, path, "must not contain '..'")] : [];
}

export function validateClassName(field: string, name: string | undefined | null): FieldError[] {
  return name ? dnsSubdomain(field, name) : [];
}
