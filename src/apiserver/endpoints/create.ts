import { apiErrors } from '#apimachinery/status-error.ts';
import { negotiate } from '../content/accept.ts';
import { decodeBody } from '../content/body.ts';
import { entryResponse } from '../content/encode.ts';
import { type Endpoint, namespaceOf, writeContext } from './endpoint.ts';

export const create: Endpoint = async (_context, request, served) => {
  const representation = negotiate(request);
  const { info } = served;
  const write = writeContext(request);
  const object = await decodeBody(request, served.scheme, info);
  const namespace = namespaceOf(request, served);
  if (object.metadata.namespace && object.metadata.namespace !== namespace) throw namespaceMismatch();
  const entry = await served.registry!.create(write, namespace, served.toStored(object));
  return entryResponse(request, served, entry, representation, 201);
};

export function namespaceMismatch() {
  return apiErrors.badRequest('the namespace of the provided object does not match the namespace sent on the request');
}
