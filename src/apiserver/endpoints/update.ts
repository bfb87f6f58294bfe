import { cloneJson } from '#apimachinery/json-value.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { negotiate } from '../content/accept.ts';
import { decodeBody } from '../content/body.ts';
import { entryResponse } from '../content/encode.ts';
import { checkUid } from '../registry/update.ts';
import { namespaceMismatch } from './create.ts';
import { type Endpoint, namespaceOf, writeContext } from './endpoint.ts';

export const update: Endpoint = async (_context, request, served) => {
  const representation = negotiate(request);
  const { name, subresource } = request.info;
  const write = writeContext(request);
  const object = await decodeBody(request, served.scheme, served.info);
  const namespace = namespaceOf(request, served);
  if (object.metadata.namespace && object.metadata.namespace !== namespace) throw namespaceMismatch();
  if (!object.metadata.name) {
    throw apiErrors.badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (object.metadata.name !== name) {
    throw apiErrors.badRequest(
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  const wanted = served.toStored(object);
  const { entry, created } = await served.registry!.update(write, namespace, name, subresource, (current) => {
    checkUid(served.registry!, wanted, current);
    return cloneJson(wanted);
  });
  return entryResponse(request, served, entry, representation, created ? 201 : 200);
};
