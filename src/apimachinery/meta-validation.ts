/** What every object's metadata must satisfy (apimachinery api/validation), in upstream's words and order. */
import { semanticDeepEqual } from './deep-equal.ts';
import { type FieldError, fieldError } from './field-error.ts';
import { formatGroupVersion, parseGroupVersion } from './group-version.ts';
import { dns1123LabelErrors, labelValueErrors, type NameRule, nameErrors, qualifiedNameErrors } from './names.ts';
import type { ObjectMeta, OwnerReference } from './object.ts';

export interface ObjectMetaRules {
  namespaced: boolean;
  /** Default 'dns-subdomain'. A function is for names no rule covers; it gets generateName with `prefix`. */
  nameRule?: NameRule | ((name: string, prefix: boolean) => string[]);
  /** Built-in kinds demand of finalizers a domain, or to be one of the standard ones; custom resources do not. */
  qualifiedFinalizers?: boolean;
}

export const annotationsTotalBytesMax = 256 * 1024;
const fieldManagerMaxBytes = 128;

/** Expects a generated name to be in `name` already. */
export function validateObjectMeta(meta: ObjectMeta, rules: ObjectMetaRules, path = 'metadata'): FieldError[] {
  const rule = rules.nameRule ?? 'dns-subdomain';
  const check = typeof rule === 'function' ? rule : (name: string, prefix: boolean) => nameErrors(rule, name, prefix);
  const errors: FieldError[] = [];
  if (meta.generateName) {
    for (const message of check(meta.generateName, true)) {
      errors.push(fieldError.invalid(`${path}.generateName`, meta.generateName, message));
    }
  }
  if (!meta.name) errors.push(fieldError.required(`${path}.name`, 'name or generateName is required'));
  else
    for (const message of check(meta.name, false)) errors.push(fieldError.invalid(`${path}.name`, meta.name, message));

  if (!rules.namespaced) {
    if (meta.namespace) errors.push(fieldError.forbidden(`${path}.namespace`, 'not allowed on this type'));
  } else if (!meta.namespace) errors.push(fieldError.required(`${path}.namespace`));
  else {
    for (const message of dns1123LabelErrors(meta.namespace)) {
      errors.push(fieldError.invalid(`${path}.namespace`, meta.namespace, message));
    }
  }
  if ((meta.generation ?? 0) < 0) {
    errors.push(fieldError.invalid(`${path}.generation`, meta.generation, 'must be greater than or equal to 0'));
  }
  errors.push(...validateSharedFields(meta, path));
  if (rules.qualifiedFinalizers) errors.push(...validateFinalizerDomains(meta.finalizers ?? [], `${path}.finalizers`));
  return errors;
}

/**
 * The registry has put back what the server owns (creationTimestamp, …) before; what still differs is the client's.
 */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path = 'metadata'): FieldError[] {
  const errors: FieldError[] = [];
  if (old.deletionTimestamp) {
    const added = (meta.finalizers ?? []).filter((f) => !old.finalizers?.includes(f)).sort();
    if (added.length) {
      const list = `[]string{${added.map((f) => JSON.stringify(f)).join(', ')}}`;
      errors.push(
        fieldError.forbidden(
          `${path}.finalizers`,
          `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`,
        ),
      );
    }
  }
  if (!meta.resourceVersion) {
    errors.push(
      fieldError.invalid(`${path}.resourceVersion`, meta.resourceVersion ?? '', 'must be specified for an update'),
    );
  }
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    errors.push(fieldError.invalid(`${path}.generation`, meta.generation ?? 0, 'must not be decremented'));
  }
  for (const field of ['name', 'namespace', 'uid'] as const) {
    errors.push(...validateImmutableField(meta[field] ?? '', old[field] ?? '', `${path}.${field}`));
  }
  for (const field of ['creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    errors.push(...validateImmutableField(meta[field], old[field], `${path}.${field}`));
  }
  errors.push(...validateSharedFields(meta, path));
  return errors;
}

export function validateImmutableField(value: unknown, old: unknown, path: string): FieldError[] {
  return semanticDeepEqual(value, old) ? [] : [fieldError.invalid(path, value, 'field is immutable')];
}

function validateSharedFields(meta: ObjectMeta, path: string): FieldError[] {
  return [
    ...validateLabels(meta.labels ?? {}, `${path}.labels`),
    ...validateAnnotations(meta.annotations ?? {}, `${path}.annotations`),
    ...validateOwnerReferences(meta.ownerReferences ?? [], `${path}.ownerReferences`),
    ...validateFinalizers(meta.finalizers ?? [], `${path}.finalizers`),
    ...validateManagedFields(meta, `${path}.managedFields`),
  ];
}

export function validateLabels(labels: Record<string, string>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels)) {
    for (const message of qualifiedNameErrors(key)) errors.push(fieldError.invalid(path, key, message));
    for (const message of labelValueErrors(value)) errors.push(fieldError.invalid(path, value, message));
  }
  return errors;
}

export function validateAnnotations(annotations: Record<string, string>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  let totalBytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    for (const message of qualifiedNameErrors(key.toLowerCase())) errors.push(fieldError.invalid(path, key, message));
    totalBytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (totalBytes > annotationsTotalBytesMax) errors.push(fieldError.tooLong(path, annotationsTotalBytesMax));
  return errors;
}

function validateOwnerReferences(owners: readonly OwnerReference[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  let controller: string | undefined;
  for (const owner of owners) {
    const { group, version } = parseGroupVersion(owner.apiVersion ?? '');
    const empty = (field: string, detail: string) => fieldError.invalid(`${path}.${field}`, '', detail);
    if (!version) errors.push(fieldError.invalid(`${path}.apiVersion`, owner.apiVersion, 'version must not be empty'));
    if (!owner.kind) errors.push(empty('kind', 'must not be empty'));
    if (!owner.name) errors.push(empty('name', 'must not be empty'));
    if (!owner.uid) errors.push(empty('uid', 'must not be empty'));
    if (formatGroupVersion({ group, version }) === 'v1' && owner.kind === 'Event') {
      errors.push(fieldError.invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner'));
    }
    if (!owner.controller) continue;
    const name = `${owner.kind}/${owner.name}`;
    if (controller === undefined) controller = name;
    else {
      errors.push(
        fieldError.invalid(
          path,
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
        ),
      );
    }
  }
  return errors;
}

function validateFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  const errors = finalizers.flatMap((finalizer) =>
    qualifiedNameErrors(finalizer).map((message) => fieldError.invalid(path, finalizer, message)),
  );
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(fieldError.invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return errors;
}

const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion'];

function validateFinalizerDomains(finalizers: readonly string[], path: string): FieldError[] {
  return finalizers.flatMap((finalizer, i) =>
    finalizer.includes('/') || standardFinalizers.includes(finalizer)
      ? []
      : [
          fieldError.invalid(
            `${path}[${i}]`,
            finalizer,
            'name is neither a standard finalizer name nor is it fully qualified',
          ),
        ],
  );
}

function validateManagedFields(meta: ObjectMeta, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, entry] of (meta.managedFields ?? []).entries()) {
    const at = `${path}[${i}]`;
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      errors.push(fieldError.invalid(`${at}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`'));
    }
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1') {
      errors.push(fieldError.invalid(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'));
    }
    if (Buffer.byteLength(entry.manager ?? '') > fieldManagerMaxBytes) {
      errors.push(fieldError.tooLong(`${at}.fieldManager`, fieldManagerMaxBytes));
    }
    if ((entry.subresource ?? '').length > fieldManagerSubresourceMax) {
      errors.push(fieldError.tooLong(`${at}.subresource`, fieldManagerSubresourceMax));
    }
  }
  return errors;
}
const fieldManagerSubresourceMax = 256;
