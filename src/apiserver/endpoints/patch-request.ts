/** What all patches share, whatever their form: options, the write that starts again when it was overtaken, identity. */
import { fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors, isStatusError, StatusError } from '#apimachinery/status-error.ts';
import { negotiate } from '../content/accept.ts';
import { mediaTypeOf } from '../content/body.ts';
import { entryResponse } from '../content/encode.ts';
import type { UpdateOptions } from '../registry/registry.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { namespaceMismatch } from './create.ts';
import { namespaceOf, writeContext } from './endpoint.ts';
import type { ServedResource } from './served-resource.ts';

export const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** Someone else's write came between, so often: then the client is told. */
const attemptsMax = 5;

/** `change` is what the patch sent; `applyTo` gives the wanted object in the stored version. */
export async function writePatched(
  request: ApiRequest,
  served: ServedResource,
  change: unknown,
  applyTo: (current: KubeObject | undefined) => KubeObject,
  options: UpdateOptions = {},
): Promise<ApiResponse> {
  const representation = negotiate(request);
  const { name, subresource } = request.info;
  const write = writeContext(request);
  const namespace = namespaceOf(request, served);
  for (let attempt = 1; ; attempt++) {
    try {
      const { entry, created } = await served.registry!.update(write, namespace, name, subresource, applyTo, options);
      return await entryResponse(request, served, entry, representation, created ? 201 : 200);
    } catch (error) {
      // A patch that names a resourceVersion asks for exactly that state; conflicts of owners stay.
      const isRetried =
        isStatusError(error, 'Conflict') &&
        error.status.details?.causes === undefined &&
        (change as KubeObject | null)?.metadata?.resourceVersion === undefined;
      if (!isRetried || attempt === attemptsMax) throw error;
    }
  }
}

export function patchType(request: ApiRequest): string {
  const type = mediaTypeOf(request);
  if (Object.values<string>(patchTypes).includes(type)) return type;
  throw new StatusError({
    code: 415,
    reason: 'UnsupportedMediaType',
    message: '415: Unsupported Media Type',
    details: {},
  });
}

export function checkPatchOptions(request: ApiRequest, type: string): void {
  const query = request.url.searchParams;
  const errors = [];
  if (type === patchTypes.apply) {
    if (!query.get('fieldManager')) errors.push(fieldError.required('fieldManager', 'is required for apply patch'));
  } else if (query.has('force')) {
    errors.push(fieldError.forbidden('force', 'may not be specified for non-apply patch'));
  }
  if (errors.length > 0) throw apiErrors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', errors);
}

export function checkIdentity(
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

/** OpenAPI name of what is read from a client and, where the version has none of its own, from the store. */
export function schemaOf(served: ServedResource): string {
  return served.scheme.schemaName(served.info) ?? served.info.schema;
}
