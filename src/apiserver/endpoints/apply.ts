/**
 * Server-side apply: the configuration a manager sends is all it wants of an object. Who owns what is the registry's
 * managed-fields.ts; here is what is sent, and what of it is refused.
 */
import { formatGroupVersion, type GroupVersionKind } from '#apimachinery/group-version.ts';
import { isJsonObject, type JsonObject } from '#apimachinery/json-value.ts';
import { findMisfit } from '#apimachinery/managed-fields/check-applied.ts';
import { structuresOf } from '#apimachinery/managed-fields/structure.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { DecodeError, decodeObject } from '#apimachinery/schema/decode.ts';
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import type { Scheme } from '#apis/scheme.ts';
import { messageOf } from '#base/errors.ts';
import { fieldValidationOf } from '../content/body.ts';
import { parseYaml } from '../content/parse-yaml.ts';
import { applyConfiguration } from '../registry/managed-fields.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { namespaceOf } from './endpoint.ts';
import { checkIdentity, schemaOf, writePatched } from './patch-request.ts';
import type { ServedResource } from './served-resource.ts';

export async function applyServerSide(request: ApiRequest, served: ServedResource): Promise<ApiResponse> {
  const { info, scheme } = served;
  const { name, subresource } = request.info;
  const namespace = namespaceOf(request, served);
  const configuration = await readConfiguration(request);
  checkConfiguration(scheme, info, configuration);
  const apply = { scheme, info, subresource, ...applyOptions(request), nowMs: served.nowMs() };
  const applyTo = (current: KubeObject | undefined): KubeObject => {
    const live = current && served.toServed(current);
    const object = decodeApplied(served, applyConfiguration(apply, live, configuration));
    object.metadata.name ??= name;
    checkIdentity(object, live ?? object, name, namespace, served);
    return served.toStored(object);
  };
  return writePatched(request, served, configuration, applyTo, { isApply: true });
}

export function applyOptions(request: ApiRequest): { fieldManager: string; force: boolean } {
  const query = request.url.searchParams;
  return { fieldManager: query.get('fieldManager')!, force: /^(1|t|true)$/i.test(query.get('force') ?? '') };
}

/** YAML, which JSON is as well. */
export async function readConfiguration(request: ApiRequest): Promise<KubeObject> {
  const validation = fieldValidationOf(request);
  const text = (await request.readBody()).toString();
  const { value, duplicates } = await parseYaml(text).catch((error) => {
    throw apiErrors.badRequest(`error decoding YAML: error converting YAML to JSON: yaml: ${messageOf(error)}`);
  });
  if (duplicates.length > 0 && validation !== 'Ignore') {
    const why = ['error converting YAML to JSON: yaml: unmarshal errors:', ...duplicates.map((d) => `  ${d}`)].join(
      '\n',
    );
    if (validation === 'Strict') throw apiErrors.badRequest(`error strict decoding YAML: ${why}`);
    request.warnings.push(why);
  }
  if (value === undefined || value === null) return {} as KubeObject;
  if (!isJsonObject(value)) {
    const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
    const why = `json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`;
    throw apiErrors.badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${why}`);
  }
  request.audit?.requestPatch(value);
  return value as KubeObject;
}

/** That it is of the URL's kind and version, says nothing of owners, and fits the schema. */
export function checkConfiguration(scheme: Scheme, expected: GroupVersionKind, configuration: KubeObject): void {
  const { apiVersion, kind } = textual(configuration);
  const shown = `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`;
  if (kind !== expected.kind || apiVersion !== formatGroupVersion(expected)) {
    throw apiErrors.badRequest(`invalid object type: ${shown}`);
  }
  const metadata: JsonObject = isJsonObject(configuration.metadata) ? configuration.metadata : {};
  if (metadata['managedFields'] !== undefined && metadata['managedFields'] !== null) {
    throw apiErrors.badRequest('metadata.managedFields must be nil');
  }
  const schema = scheme.schemaName(expected);
  if (schema === undefined) return;
  const structures = structuresOf(scheme.schemas);
  const misfit = findMisfit(structures, structures.root(schema), configuration);
  if (misfit === undefined) return;
  const [namespace, name] = [metadata['namespace'], metadata['name']].map((v) => (typeof v === 'string' ? v : ''));
  const object = `${namespace}/${name}; ${shown}`;
  // Upstream lets this error through as it is: 500 without a reason.
  throw new StatusError({ code: 500, message: `failed to create typed patch object (${object}): ${misfit}` });
}

function textual(configuration: KubeObject): { apiVersion: string; kind: string } {
  const { apiVersion, kind } = configuration as unknown as Record<string, unknown>;
  return { apiVersion: typeof apiVersion === 'string' ? apiVersion : '', kind: typeof kind === 'string' ? kind : '' };
}

/** What was merged is read like a body: nulls fall away, and values take their canonical form. */
function decodeApplied(served: ServedResource, merged: KubeObject): KubeObject {
  const { info, scheme } = served;
  try {
    const {
      kind: _kind,
      apiVersion: _version,
      metadata,
      ...rest
    } = decodeObject(scheme.schemas, schemaOf(served), merged).object;
    return { kind: info.kind, apiVersion: formatGroupVersion(info), metadata: metadata ?? {}, ...rest };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const why = `failed to convert new object (${formatGroupVersion(info)}, Kind=${info.kind}) to proper version`;
    throw new StatusError({ code: 500, message: `${why}: ${error.message}` });
  }
}
