import { negotiate } from '../content/accept.ts';
import { decodeBody } from '../content/body.ts';
import { valueResponse } from '../content/encode.ts';
import { recordSender } from '../registry/managed-fields.ts';
import type { ExtensionEndpoint } from '../server.ts';
import { namespaceMismatch } from './create.ts';
import { type Endpoint, namespaceOf, writeContext } from './endpoint.ts';

/** A POST that makes an answer rather than an object: reviews, tokens. */
export function extension(own: ExtensionEndpoint): Endpoint {
  return async (_context, request, served) => {
    const representation = negotiate(request, 'value');
    const sub = served.info.subresources.get(request.info.subresource);
    const object = await decodeBody(request, served.scheme, sub?.responseKind ?? served.info);
    const namespace = namespaceOf(request, served);
    if (object.metadata.namespace && object.metadata.namespace !== namespace) throw namespaceMismatch();
    served.scheme.kind(sub?.responseKind ?? served.info)?.setDefaults?.(object);
    const write = writeContext(request);
    const { resource, subresource } = request.info;
    const { scheme, nowMs } = served;
    const info = { ...(sub?.responseKind ?? served.info), resource };
    recordSender({ scheme, info, subresource, nowMs: nowMs() }, write.fieldManager, object);
    const answer = await own(request, object, write);
    return valueResponse(request, answer, representation, 201);
  };
}
