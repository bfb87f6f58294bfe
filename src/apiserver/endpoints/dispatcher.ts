/** Which endpoint answers: by resource, subresource and verb; everything else by the handlers of paths. */
import type { ResourceInfo } from '#apis/kind.ts';
import { methodNotAllowed, pageNotFound, resourceNotFound } from '../error-response.ts';
import type { WatchTracker } from '../flowcontrol/watch-tracker.ts';
import type { HandlerChainOptions } from '../handler-chain.ts';
import { createRequestMetrics } from '../metrics.ts';
import type { ApiRequest, Handler } from '../request.ts';
import { binding } from './binding.ts';
import { create } from './create.ts';
import { deleteEndpoint } from './delete.ts';
import { deleteCollection } from './delete-collection.ts';
import type { Endpoint, EndpointContext } from './endpoint.ts';
import { eviction } from './eviction.ts';
import { extension } from './extension.ts';
import { get } from './get.ts';
import { list } from './list.ts';
import { nodeConnection } from './node-connection.ts';
import { patch } from './patch.ts';
import { getScale, patchScale, updateScale } from './scale.ts';
import { createServedResource, type ServedResource } from './served-resource.ts';
import { update } from './update.ts';
import { watch } from './watch.ts';
import { WatchBuffers } from './watch-buffers.ts';

type Endpoints = Readonly<Record<string, Endpoint>>;

const ofResource: Endpoints = {
  get,
  list,
  watch,
  create,
  update,
  patch,
  delete: deleteEndpoint,
  deletecollection: deleteCollection,
};

/** Parts of an object with rules of their own: `status`, `finalize`, `approval`, … */
const ofPart: Endpoints = { get, update, patch };

const ofSubresource: Readonly<Record<string, Endpoints>> = {
  scale: { get: getScale, update: updateScale, patch: patchScale },
  binding: { create: binding },
  eviction: { create: eviction },
  log: { get: nodeConnection },
  exec: { get: nodeConnection, create: nodeConnection },
  attach: { get: nodeConnection, create: nodeConnection },
  portforward: { get: nodeConnection, create: nodeConnection },
  proxy: {
    get: nodeConnection,
    create: nodeConnection,
    update: nodeConnection,
    patch: nodeConnection,
    delete: nodeConnection,
  },
};

export function createDispatcher(options: HandlerChainOptions & { watchTracker: WatchTracker }): Handler {
  const { registry, nonResourceHandlers } = options;
  const scheme = registry.scheme;
  const context: EndpointContext = {
    ...options,
    metrics: options.metrics ?? createRequestMetrics(),
    watchBuffers: new WatchBuffers(),
  };
  const served = new Map<ResourceInfo, ServedResource>();

  const servedOf = (info: ResourceInfo): ServedResource => {
    let resource = served.get(info);
    if (!resource) {
      resource = createServedResource(registry, info, options.clock);
      served.set(info, resource);
    }
    return resource;
  };

  const ofPath: Handler = async (request) => {
    for (const handler of nonResourceHandlers) {
      const response = await handler(request);
      if (response) return response;
    }
    return pageNotFound();
  };

  return (request) => {
    const info = request.info;
    if (!info.isResourceRequest) return ofPath(request);
    const resource = scheme.resource(info.group, info.version, info.resource);
    if (!resource) return unknownResource(options, request, ofPath);
    request.resource = resource;
    const deprecation = deprecations.get(resource.schema);
    if (deprecation !== undefined) {
      request.warnings.push(deprecation);
      request.audit?.annotate('k8s.io/deprecated', 'true');
    }
    const endpoint = endpointFor(context, request, resource);
    return endpoint(context, request, servedOf(resource));
  };
}

/** By schema: what every request on the resource is told, in upstream's words (its API life cycle tags). */
const deprecations = new Map([
  ['io.k8s.api.core.v1.Endpoints', 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  ['io.k8s.api.core.v1.ComponentStatus', 'v1 ComponentStatus is deprecated in v1.19+'],
]);

/** Below a group and version we serve there are Statuses, below any other there is nothing. */
async function unknownResource(options: HandlerChainOptions, request: ApiRequest, ofPath: Handler) {
  const { group, version } = request.info;
  for (const handler of options.nonResourceHandlers) {
    const response = await handler(request);
    if (response) return response;
  }
  const groups = options.registry.scheme.groups();
  if (groups.some((g) => g.name === group && g.versions.includes(version))) throw resourceNotFound();
  return ofPath(request);
}

function endpointFor(context: EndpointContext, request: ApiRequest, resource: ResourceInfo): Endpoint {
  const { verb, subresource, namespace, name, group } = request.info;
  if (!resource.namespaced && namespace !== '' && resource.resource !== 'namespaces') throw resourceNotFound();
  if (subresource === '') {
    const own = context.extensionEndpoints.get(`${group}/${resource.resource}`);
    if (own) return required(verb === 'create' && name === '' ? extension(own) : undefined);
    if (resource.resource === 'bindings' && group === '') return required(verb === 'create' ? binding : undefined);
    if (!resource.storage) throw resourceNotFound();
    if (!isOffered(request, resource)) throw methodNotAllowed();
    return required(ofResource[verb]);
  }
  const sub = resource.subresources.get(subresource);
  if (!sub) throw resourceNotFound();
  const own = context.extensionEndpoints.get(`${group}/${resource.resource}/${subresource}`);
  if (own) return required(verb === 'create' ? extension(own) : undefined);
  return required((ofSubresource[subresource] ?? ofPart)[verb]);
}

function required(endpoint: Endpoint | undefined): Endpoint {
  if (!endpoint) throw methodNotAllowed();
  return endpoint;
}

/** Some verbs want a name, some want none, and some a namespace. */
function isOffered(request: ApiRequest, resource: ResourceInfo): boolean {
  const { verb, name, namespace } = request.info;
  if (request.method === 'HEAD' || !resource.verbs.includes(verb)) return false;
  if (verb === 'create' && name !== '') return false;
  if ((verb === 'update' || verb === 'patch') && name === '') return false;
  return !(resource.namespaced && namespace === '' && verb !== 'list' && verb !== 'watch');
}
