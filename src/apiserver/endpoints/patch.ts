/** A change sent as its difference: JSON patch, merge patch, strategic merge patch, and (thinly) apply. */
import { fieldError } from '#apimachinery/field-error.ts';
import { formatGoValue } from '#apimachinery/go-format.ts';
import { formatGroupVersion, parseGroupVersion } from '#apimachinery/group-version.ts';
import { parseJson } from '#apimachinery/json/parse-json.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { applyJsonPatch } from '#apimachinery/patch/json-patch.ts';
import { applyMergePatch } from '#apimachinery/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '#apimachinery/patch/strategic-merge.ts';
import { DecodeError, decodeObject, unknownFieldText } from '#apimachinery/schema/decode.ts';
import { apiErrors, isStatusError, StatusError } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import { negotiate } from '../content/accept.ts';
import { checkType, type FieldValidation, fieldValidationOf, mediaTypeOf } from '../content/body.ts';
import { entryResponse } from '../content/encode.ts';
import type { ApiRequest } from '../request.ts';
import { namespaceMismatch } from './create.ts';
import { type Endpoint, namespaceOf, writeContext } from './endpoint.ts';
import type { ServedResource } from './served-resource.ts';

const types = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** Someone else's write came between, so often: then the client is told. */
const attemptsMax = 5;

export const patch: Endpoint = async (_context, request, served) => {
  const representation = negotiate(request);
  const { name, subresource } = request.info;
  const type = patchType(request);
  checkOptions(request, type);
  const change = await readPatch(request, type);
  const write = writeContext(request);
  const validation = fieldValidationOf(request);
  const namespace = namespaceOf(request, served);
  if (type === types.apply) checkApplied(change, served, name, namespace);

  const apply = (current: KubeObject | undefined): KubeObject => {
    if (!current) return decodePatched(request, served, appliedAnew(change, served, name), change, type, validation);
    const before = served.toServed(current);
    const after = applyPatch(served, before, change, type);
    const object = decodePatched(request, served, after, change, type, validation);
    checkIdentity(object, before, name, namespace, served);
    return object;
  };
  for (let attempt = 1; ; attempt++) {
    try {
      const { entry, created } = await served.registry!.update(write, namespace, name, subresource, apply, {
        allowCreate: type === types.apply,
      });
      return await entryResponse(request, served, entry, representation, created ? 201 : 200);
    } catch (error) {
      // A patch that names a resourceVersion asks for exactly that state.
      const isRetried =
        isStatusError(error, 'Conflict') && (change as KubeObject)?.metadata?.resourceVersion === undefined;
      if (!isRetried || attempt === attemptsMax) throw error;
    }
  }
};

export function patchType(request: ApiRequest): string {
  const type = mediaTypeOf(request);
  if (Object.values<string>(types).includes(type)) return type;
  throw new StatusError({
    code: 415,
    reason: 'UnsupportedMediaType',
    message: '415: Unsupported Media Type',
    details: {},
  });
}

function checkOptions(request: ApiRequest, type: string): void {
  const query = request.url.searchParams;
  const errors = [];
  if (type === types.apply) {
    if (!query.get('fieldManager')) errors.push(fieldError.required('fieldManager', 'is required for apply patch'));
  } else if (query.has('force')) {
    errors.push(fieldError.forbidden('force', 'may not be specified for non-apply patch'));
  }
  if (errors.length > 0) throw apiErrors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', errors);
}

export async function readPatch(request: ApiRequest, type: string): Promise<unknown> {
  const text = (await request.readBody()).toString();
  if (type === types.apply) {
    const { parse } = await import('yaml');
    try {
      return parse(text);
    } catch (error) {
      throw apiErrors.badRequest(`error decoding YAML: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  try {
    return parseJson(text).value;
  } catch (error) {
    throw apiErrors.badRequest(`error decoding patch: ${messageOf(error)}`);
  }
}

export function applyPatch(
  served: ServedResource,
  before: KubeObject,
  change: unknown,
  type: string,
): Record<string, unknown> {
  switch (type) {
    case types.json:
      return applyJsonPatch(before, change);
    case types.merge:
      return applyMergePatch(before, change);
    default:
      return applyStrategicMergePatch(served.scheme.schemas, schemaOf(served), before, change);
  }
}

function schemaOf(served: ServedResource): string {
  return served.scheme.schemaName(served.info) ?? served.info.schema;
}

/** What a patch made is a new body: unknown fields and wrong types are told as of the patch. */
function decodePatched(
  request: ApiRequest,
  served: ServedResource,
  value: Record<string, unknown>,
  change: unknown,
  type: string,
  validation: FieldValidation,
): KubeObject {
  const { info, scheme } = served;
  const refuse = (why: string) => {
    const shown = type === types.strategic ? formatGoValue(change) : JSON.stringify(value);
    return apiErrors.invalid({ group: '', kind: '' }, '', [fieldError.invalid('patch', shown, why)]);
  };
  try {
    checkKind(served, value);
    const { object, unknownFields } = decodeObject(scheme.schemas, schemaOf(served), value, {
      words: type === types.strategic ? 'unstructured' : 'json',
    });
    if (unknownFields.length > 0) {
      const texts = unknownFields.map(unknownFieldText);
      if (validation === 'Strict') throw refuse(`strict decoding error: ${texts.join(', ')}`);
      if (validation === 'Warn')
        for (const text of texts) if (!request.warnings.includes(text)) request.warnings.push(text);
    }
    const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
    return served.toStored({
      kind: info.kind,
      apiVersion: formatGroupVersion(info),
      metadata: metadata ?? {},
      ...rest,
    });
  } catch (error) {
    throw error instanceof DecodeError ? refuse(error.message) : error;
  }
}

/** A patch that turns the object into another kind: read as that kind it is wrong, or it does not belong here. */
function checkKind(served: ServedResource, value: Record<string, unknown>): void {
  const { scheme, info } = served;
  const { kind, apiVersion } = value;
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') return;
  if (kind === info.kind && apiVersion === formatGroupVersion(info)) return;
  const other = scheme.schemaName({ ...parseGroupVersion(apiVersion), kind });
  if (other !== undefined) decodeObject(scheme.schemas, other, value);
  checkType(scheme, value, info);
}

function checkIdentity(
  object: KubeObject,
  before: KubeObject,
  name: string,
  namespace: string,
  served: ServedResource,
): void {
  if (object.metadata.name !== name) {
    throw apiErrors.badRequest(
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (served.info.namespaced && object.metadata.namespace && object.metadata.namespace !== namespace)
    throw namespaceMismatch();
  object.metadata.uid ??= before.metadata.uid!;
}

/** Without field ownership, apply is a strategic merge of the whole configuration, or its creation. */
function checkApplied(change: unknown, served: ServedResource, name: string, namespace: string): void {
  const object = change as KubeObject | null;
  if (typeof object !== 'object' || object === null || !object.apiVersion || !object.kind) {
    throw apiErrors.badRequest(`error decoding YAML: Object 'Kind' is missing in '${JSON.stringify(change)}'`);
  }
  const expected = formatGroupVersion(served.info);
  if (object.apiVersion !== expected) {
    throw apiErrors.badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${object.apiVersion}, expected: ${expected}`,
    );
  }
  object.metadata ??= {};
  if (object.metadata.name !== undefined && object.metadata.name !== name) {
    throw apiErrors.badRequest(
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (object.metadata.namespace && object.metadata.namespace !== namespace) throw namespaceMismatch();
}

function appliedAnew(change: unknown, served: ServedResource, name: string): Record<string, unknown> {
  const object = change as KubeObject;
  return { ...object, kind: served.info.kind, metadata: { ...object.metadata, name } };
}
