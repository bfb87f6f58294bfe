/**
 * The file of --audit-policy-file: read, checked to the last field, compiled. A field that nobody knows is refused,
 * where upstream warns and passes it over: a rule whose condition was misspelt would match, and record, more than meant.
 */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { dns1123SubdomainErrors } from '#apimachinery/names.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import { readFileOf } from '../serving/server-files.ts';
import { compilePolicy, levels, type Policy, type PolicyEvaluator, type PolicyRule, stages } from './policy.ts';

/** Throws an OperatorError that names the file and the field. */
export async function readAuditPolicy(path: string): Promise<PolicyEvaluator> {
  const text = readFileOf('audit-policy-file', path);
  try {
    return compilePolicy(await parsePolicy(text));
  } catch (cause) {
    throw new OperatorError(`${path} of --audit-policy-file is no good: ${messageOf(cause)}`, { cause });
  }
}

/** YAML, which JSON is as well. */
export async function parsePolicy(text: string): Promise<Policy> {
  const file = await decode(text);
  const { kind, apiVersion } = file;
  if (typeof kind !== 'string' || kind === '') throw new Error("failed decoding: Object 'Kind' is missing");
  if (apiVersion !== 'audit.k8s.io/v1')
    throw new Error(
      `unknown group version field ${apiVersion ?? ''}, Kind=${kind} in policy: give apiVersion: audit.k8s.io/v1`,
    );
  if (kind !== 'Policy')
    throw new Error(`failed decoding: no kind "${kind}" is registered for version "${apiVersion}"`);
  checkShape(file, policyShape, '');
  const policy = { ...file, rules: file['rules'] ?? [] } as Policy;
  const errors = validatePolicy(policy);
  if (errors.length > 0) throw new Error(toAggregate(errors.map((e) => `${e.field}: ${e.message}`)));
  if (policy.rules.length === 0) throw new Error('loaded illegal policy with 0 rules');
  return policy;
}

type Fields = Record<string, unknown>;

async function decode(text: string): Promise<Fields> {
  let file: unknown;
  try {
    file = (await import('yaml')).parse(text);
  } catch (cause) {
    throw new Error(`failed decoding: ${messageOf(cause).split('\n')[0]}`, { cause });
  }
  if (!isFields(file)) throw new Error('failed decoding: it is no object');
  return file;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Shape = { [field: string]: 'string' | 'boolean' | 'strings' | 'metadata' | { list: Shape } };

const groupResourcesShape: Shape = { group: 'string', resources: 'strings', resourceNames: 'strings' };
const ruleShape: Shape = {
  level: 'string',
  users: 'strings',
  userGroups: 'strings',
  verbs: 'strings',
  resources: { list: groupResourcesShape },
  namespaces: 'strings',
  nonResourceURLs: 'strings',
  omitStages: 'strings',
  omitManagedFields: 'boolean',
};
const policyShape: Shape = {
  apiVersion: 'string',
  kind: 'string',
  metadata: 'metadata',
  rules: { list: ruleShape },
  omitStages: 'strings',
  omitManagedFields: 'boolean',
};

/** Only fields that exist, each of its type; a field without a value counts as left out, and is taken away. */
function checkShape(value: Fields, shape: Shape, path: string): void {
  for (const [name, field] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    if (!Object.hasOwn(shape, name)) throw new Error(`strict decoding error: unknown field "${at}"`);
    if (field === null) delete value[name];
    else checkField(field, shape[name]!, at);
  }
}

function checkField(field: unknown, type: Shape[string], at: string): void {
  if (typeof type === 'object') {
    if (!Array.isArray(field)) throw wrongType(at, 'a list');
    for (const [i, item] of field.entries()) {
      if (!isFields(item)) throw wrongType(at, 'a list of objects');
      checkShape(item, type.list, `${at}[${i}]`);
    }
  } else if (type === 'strings') {
    if (!Array.isArray(field) || field.some((item) => typeof item !== 'string'))
      throw wrongType(at, 'a list of strings');
  } else if (type === 'metadata') {
    if (!isFields(field)) throw wrongType(at, 'an object');
  } else if (typeof field !== type) {
    throw wrongType(at, `a ${type}`);
  }
}

function wrongType(at: string, wanted: string): Error {
  return new Error(`failed decoding: ${at}: it must be ${wanted}`);
}

function validatePolicy(policy: Policy): FieldError[] {
  return [
    ...validateStages(policy.omitStages, 'omitStages'),
    ...policy.rules.flatMap((rule, i) => validateRule(rule, `rules[${i}]`)),
  ];
}

function validateRule(rule: PolicyRule, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!rule.level) errors.push(fieldError.required(`${path}.level`));
  else if (!levels.includes(rule.level)) errors.push(fieldError.notSupported(`${path}.level`, rule.level, levels));
  for (const [i, url] of (rule.nonResourceURLs ?? []).entries()) {
    const at = `${path}.nonResourceURLs[${i}]`;
    if (url === '*') continue;
    if (!url.startsWith('/'))
      errors.push(fieldError.invalid(at, url, "non-resource URL rules must begin with a '/' character"));
    if (url.slice(0, -1).includes('*'))
      errors.push(
        fieldError.invalid(at, url, "non-resource URL wildcards '*' must be the final character of the rule"),
      );
  }
  for (const [i, { group = '', resources, resourceNames }] of (rule.resources ?? []).entries()) {
    const at = `${path}.resources[${i}]`;
    const groupErrors = group === '' ? [] : dns1123SubdomainErrors(group);
    if (groupErrors.length > 0) errors.push(fieldError.invalid(`${at}.group`, group, groupErrors.join(',')));
    if (resourceNames?.length && !resources?.length)
      errors.push(
        fieldError.invalid(`${at}.resourceNames`, resourceNames, 'using resourceNames requires at least one resource'),
      );
  }
  errors.push(...validateStages(rule.omitStages, `${path}.omitStages`));
  if (rule.nonResourceURLs?.length && (rule.resources?.length || rule.namespaces?.length))
    errors.push(
      fieldError.invalid(
        `${path}.nonResourceURLs`,
        rule.nonResourceURLs,
        'rules cannot apply to both regular resources and non-resource URLs',
      ),
    );
  return errors;
}

function validateStages(omitStages: readonly string[] | undefined, path: string): FieldError[] {
  return (omitStages ?? []).flatMap((stage, i) =>
    (stages as readonly string[]).includes(stage)
      ? []
      : [fieldError.invalid(`${path}[${i}]`, stage, `allowed stages are ${stages.join(',')}`)],
  );
}

function toAggregate(texts: readonly string[]): string {
  return texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
}
