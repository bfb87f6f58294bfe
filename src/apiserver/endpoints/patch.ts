/** A change sent as its difference: JSON patch, merge patch, strategic merge patch; server-side apply is apply.ts. */
import { fieldError } from '#apimachinery/field-error.ts';
import { formatGoValue } from '#apimachinery/go-format.ts';
import { formatGroupVersion, parseGroupVersion } from '#apimachinery/group-version.ts';
import { parseJson } from '#apimachinery/json/parse-json.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { applyJsonPatch } from '#apimachinery/patch/json-patch.ts';
import { applyMergePatch } from '#apimachinery/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '#apimachinery/patch/strategic-merge.ts';
import { DecodeError, decodeObject, unknownFieldText } from '#apimachinery/schema/decode.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import { checkType, type FieldValidation, fieldValidationOf } from '../content/body.ts';
import type { ApiRequest } from '../request.ts';
import { applyServerSide } from './apply.ts';
import { type Endpoint, namespaceOf } from './endpoint.ts';
import { checkIdentity, checkPatchOptions, patchType, patchTypes, schemaOf, writePatched } from './patch-request.ts';
import type { ServedResource } from './served-resource.ts';

export const patch: Endpoint = async (_context, request, served) => {
  const { name } = request.info;
  const type = patchType(request);
  checkPatchOptions(request, type);
  if (type === patchTypes.apply) return applyServerSide(request, served);
  const change = await readPatch(request);
  const validation = fieldValidationOf(request);
  const namespace = namespaceOf(request, served);
  return writePatched(request, served, change, (current) => {
    if (!current) throw apiErrors.notFound(served.info, name);
    const before = served.toServed(current);
    const after = applyPatch(served, before, change, type);
    const object = decodePatched(request, served, after, change, type, validation);
    checkIdentity(object, before, name, namespace, served);
    return object;
  });
};

export async function readPatch(request: ApiRequest): Promise<unknown> {
  const text = (await request.readBody()).toString();
  try {
    const patch = parseJson(text).value;
    request.audit?.requestPatch(patch);
    return patch;
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
    case patchTypes.json:
      return applyJsonPatch(before, change);
    case patchTypes.merge:
      return applyMergePatch(before, change);
    default:
      return applyStrategicMergePatch(served.scheme.schemas, schemaOf(served), before, change);
  }
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
    const shown = type === patchTypes.strategic ? formatGoValue(change) : JSON.stringify(value);
    return apiErrors.invalid({ group: '', kind: '' }, '', [fieldError.invalid('patch', shown, why)]);
  };
  try {
    checkKind(served, value);
    const { object, unknownFields } = decodeObject(scheme.schemas, schemaOf(served), value, {
      words: type === patchTypes.strategic ? 'unstructured' : 'json',
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
