import type { StoredObject } from '#storage/storage.ts';
import { negotiate, type Representation } from '../content/accept.ts';
import { entryResponse, valueResponse } from '../content/encode.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { readDeleteOptions } from './delete-options.ts';
import { type Endpoint, isDryRun, namespaceOf, writeContext } from './endpoint.ts';
import type { ServedResource } from './served-resource.ts';

export const deleteEndpoint: Endpoint = async (_context, request, served) => {
  const representation = negotiate(request);
  const { name } = request.info;
  const write = writeContext(request);
  const { options, dryRun } = await readDeleteOptions(request);
  write.dryRun ||= isDryRun(dryRun, request);
  const { entry, deleted } = await served.registry!.delete(write, namespaceOf(request, served), name, options);
  if (!deleted) {
    const isAsync = options.orphanDependents === false;
    return entryResponse(request, served, entry, representation, isAsync ? 202 : 200);
  }
  if (returnsDeleted.has(`${served.info.group}/${served.info.resource}`)) {
    return entryResponse(request, served, entry, representation);
  }
  return deletedStatus(request, served, entry, representation);
};

/** Resources whose deletion answers with the object as it was, for upstream's history. */
const returnsDeleted = new Set([
  '/pods',
  '/services',
  '/persistentvolumes',
  '/persistentvolumeclaims',
  '/podtemplates',
  '/resourcequotas',
  '/serviceaccounts',
  'storage.k8s.io/storageclasses',
  'storage.k8s.io/volumeattachments',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/csidrivers',
]);

function deletedStatus(
  request: ApiRequest,
  served: ServedResource,
  entry: StoredObject,
  representation: Representation,
): Promise<ApiResponse> {
  const { group, resource } = served.info;
  const { name, uid } = entry.object().metadata;
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(group === '' ? {} : { group }), kind: resource, uid },
  };
  return valueResponse(request, status, representation, 200);
}
