import { apiErrors } from '#apimachinery/status-error.ts';
import { negotiate } from '../content/accept.ts';
import { decodeBody } from '../content/body.ts';
import { valueResponse } from '../content/encode.ts';
import { type Endpoint, isDryRun, writeContext } from './endpoint.ts';

/** A deletion that asks first. Disruption budgets are not consulted here yet: what asks them deletes by this path. */
export const eviction: Endpoint = async (context, request, served) => {
  const representation = negotiate(request, 'value');
  const { namespace, name } = request.info;
  const object = await decodeBody(request, served.scheme, { group: 'policy', version: 'v1', kind: 'Eviction' });
  if (object.metadata.name && object.metadata.name !== name) {
    throw apiErrors.badRequest('name in URL does not match name in Eviction object');
  }
  const options = object['deleteOptions'] ?? {};
  const write = writeContext(request);
  write.dryRun ||= isDryRun(options.dryRun ?? [], request);
  await context.registry.resource('', 'pods')!.delete(write, namespace, name, options);
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  return valueResponse(request, status, representation, 201);
};
