/** The envelope of a CustomResourceDefinition: names, versions, columns. Schemas are checked where they are compiled. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { dns1035LabelErrors, dns1123SubdomainErrors } from '#apimachinery/names.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { each, type Fields } from '../../set-default.ts';
import { immutable } from '../../validation/immutable.ts';
import { invalidFor, oneOf } from '../../validation/values.ts';

export function validateDefinition(object: KubeObject): FieldError[] {
  const { spec } = object;
  const { name = '' } = object.metadata;
  const errors: FieldError[] = [];
  if (name !== `${spec.names?.plural}.${spec.group}`)
    errors.push(fieldError.invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group'));
  errors.push(...validateSpec(spec), ...validateStoredVersions(object), ...validateApproval(object));
  return errors;
}

export function validateDefinitionUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  const errors = [...validateSpec(object.spec), ...validateStoredVersions(object)];
  const established = each(old.status?.conditions).some((c) => c.type === 'Established' && c.status === 'True');
  if (established)
    errors.push(
      ...immutable('spec.scope', object.spec.scope, old.spec.scope),
      ...immutable('spec.names.kind', object.spec.names?.kind, old.spec.names?.kind),
    );
  return [
    ...errors,
    ...immutable('spec.group', object.spec.group, old.spec.group),
    ...immutable('spec.names.plural', object.spec.names?.plural, old.spec.names?.plural),
  ];
}

function validateSpec(spec: Fields): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.group) errors.push(fieldError.required('spec.group'));
  else if (dns1123SubdomainErrors(spec.group).length > 0)
    errors.push(...invalidFor('spec.group', spec.group, dns1123SubdomainErrors(spec.group)));
  else if (!spec.group.includes('.'))
    errors.push(fieldError.invalid('spec.group', spec.group, 'should be a domain with at least one dot'));
  errors.push(...oneOf('spec.scope', spec.scope ?? '', ['Cluster', 'Namespaced']));
  if (spec.preserveUnknownFields)
    errors.push(
      fieldError.invalid(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    );
  return [
    ...errors,
    ...validateVersions(spec),
    ...validateNames(spec.names ?? {}),
    ...validateConversion(spec.conversion),
  ];
}

function validateVersions(spec: Fields): FieldError[] {
  const versions = each(spec.versions);
  const errors: FieldError[] = [];
  const names = new Set<string>();
  versions.forEach((version, i) => {
    const at = `spec.versions[${i}]`;
    const { name = '' } = version;
    errors.push(...invalidFor(`${at}.name`, name, dns1035LabelErrors(name)));
    if (names.has(name))
      errors.push(fieldError.invalid('spec.versions', versions.map(goVersion), 'must contain unique version names'));
    names.add(name);
    if (!version.schema?.openAPIV3Schema) errors.push(fieldError.required(`${at}.schema.openAPIV3Schema`));
    // With one version upstream finds these at the top, where they once stood.
    const where = versions.length === 1 ? 'spec' : at;
    errors.push(...validateColumns(version.additionalPrinterColumns, `${where}.additionalPrinterColumns`));
    errors.push(...validateScale(version.subresources?.scale, `${where}.subresources.scale`));
  });
  if (versions.filter((version) => version.storage).length !== 1)
    errors.push(
      fieldError.invalid(
        'spec.versions',
        versions.map(goVersion),
        'must have exactly one version marked as storage version',
      ),
    );
  const first = versions[0]?.name;
  if (first) errors.push(...invalidFor('spec.version', first, dns1035LabelErrors(first)));
  return errors;
}

/** As upstream shows a version; equal schemas of all versions stand elsewhere there, so never here. */
function goVersion(version: Fields): Fields {
  return {
    Name: version.name ?? '',
    Served: version.served ?? false,
    Storage: version.storage ?? false,
    Deprecated: version.deprecated ?? false,
    DeprecationWarning: version.deprecationWarning ?? null,
    Schema: null,
    Subresources: null,
    AdditionalPrinterColumns: null,
    SelectableFields: null,
  };
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const simplePath = /^(\.[A-Za-z_][-A-Za-z0-9_]*)+$/;

function validateColumns(columns: unknown, field: string): FieldError[] {
  return each(columns).flatMap((column, i) => {
    const at = `${field}[${i}]`;
    const errors: FieldError[] = [];
    if (!column.name) errors.push(fieldError.required(`${at}.name`));
    if (!column.type) errors.push(fieldError.required(`${at}.type`, `must be one of ${columnTypes.join(',')}`));
    else if (!columnTypes.includes(column.type))
      errors.push(fieldError.invalid(`${at}.type`, column.type, `must be one of ${columnTypes.join(',')}`));
    if (!column.jsonPath) errors.push(fieldError.required(`${at}.JSONPath`));
    else if (!column.jsonPath.startsWith('.'))
      errors.push(fieldError.invalid(`${at}.JSONPath`, column.jsonPath, 'must be a simple json path starting with .'));
    return errors;
  });
}

function validateScale(scale: Fields, field: string): FieldError[] {
  if (!scale) return [];
  return [
    ['specReplicasPath', 'spec'],
    ['statusReplicasPath', 'status'],
  ].flatMap(([name, under]) => {
    const path: string = scale[name!] ?? '';
    const at = `${field}.${name}`;
    if (path === '') return [fieldError.required(at)];
    if (!simplePath.test(path)) return [fieldError.invalid(at, path, 'must be a simple json path starting with .')];
    return path.startsWith(`.${under}.`) ? [] : [fieldError.invalid(at, path, `should be a json path under .${under}`)];
  });
}

function validateNames(names: Fields): FieldError[] {
  const label = (field: string, value: string | undefined, mixedCase: boolean): FieldError[] => {
    if (!value) return [fieldError.required(`spec.names.${field}`)];
    const texts = dns1035LabelErrors(mixedCase ? value.toLowerCase() : value);
    const prefix = mixedCase ? 'may have mixed case, but should otherwise match: ' : '';
    return texts.map((text) => fieldError.invalid(`spec.names.${field}`, value, prefix + text));
  };
  return [
    ...label('plural', names.plural, false),
    ...label('singular', names.singular, false),
    ...label('kind', names.kind, true),
    ...label('listKind', names.listKind, true),
    ...((names.shortNames ?? []) as string[]).flatMap((name, i) => label(`shortNames[${i}]`, name, false)),
    ...((names.categories ?? []) as string[]).flatMap((name, i) => label(`categories[${i}]`, name, false)),
  ];
}

function validateConversion(conversion: Fields): FieldError[] {
  const errors = oneOf('spec.conversion.strategy', conversion?.strategy, ['None', 'Webhook']);
  if (conversion?.strategy !== 'Webhook') return errors;
  // By the names of the older version, which is what upstream validates.
  if (!conversion.webhook?.clientConfig)
    errors.push(fieldError.required('spec.conversion.webhookClientConfig', 'required when strategy is set to Webhook'));
  if (!conversion.webhook?.conversionReviewVersions?.length)
    errors.push(fieldError.required('spec.conversion.conversionReviewVersions'));
  return errors;
}

function validateStoredVersions({ spec, status }: KubeObject): FieldError[] {
  const stored: string[] = status?.storedVersions ?? [];
  const field = 'status.storedVersions';
  if (stored.length === 0)
    return [fieldError.invalid(field, status?.storedVersions ?? null, 'must have at least one stored version')];
  const versions = each(spec.versions);
  const errors = stored.flatMap((name, i) =>
    versions.some((version) => version.name === name)
      ? []
      : [fieldError.invalid(`${field}[${i}]`, name, 'must appear in spec.versions')],
  );
  const storage = versions.filter((version) => version.storage).at(-1)?.name;
  if (storage && !stored.includes(storage))
    errors.push(fieldError.invalid(field, stored, `must have the storage version ${storage}`));
  return errors;
}

const approvedBy = 'api-approved.kubernetes.io';

function validateApproval({ metadata, spec }: KubeObject): FieldError[] {
  const protectedGroup = /(^|\.)(k8s|kubernetes)\.io$/.test(spec.group ?? '');
  const value = metadata.annotations?.[approvedBy];
  if (!protectedGroup || value?.startsWith('unapproved') || (value && URL.canParse(value))) return [];
  return [
    fieldError.required(
      `metadata.annotations[${approvedBy}]`,
      `protected groups must have approval annotation "${approvedBy}", see https://github.com/kubernetes/enhancements/pull/1111`,
    ),
  ];
}
