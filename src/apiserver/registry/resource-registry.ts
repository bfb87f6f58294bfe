import type { ResourceInfo } from '#apis/kind.ts';
import { createCodec } from './codec.ts';
import { createObject } from './create.ts';
import type { RegistryOptions } from './create-registry.ts';
import { deleteObject } from './delete.ts';
import { deleteNamespace } from './namespace-deletion.ts';
import type { ResourceRegistry } from './registry.ts';
import { updateObject } from './update.ts';

/** A registry of one resource with all it needs to run a write. */
export interface Resource extends ResourceRegistry {
  readonly options: RegistryOptions;
}

export function createResourceRegistry(options: RegistryOptions, info: ResourceInfo): ResourceRegistry {
  const strategy = options.scheme.strategy(info.group, info.resource);
  const codec = createCodec(options.scheme, info, strategy);
  const prefix = codec.prefix;
  const isNamespace = info.group === '' && info.resource === 'namespaces';
  const resource: Resource = {
    options,
    info,
    strategy,
    codec,
    storage: options.backend.resource(codec),
    key: (namespace, name) => (info.namespaced ? `${prefix}${namespace}/${name}` : `${prefix}${name}`),
    create: (context, namespace, object) => createObject(resource, context, namespace, object),
    update: (context, namespace, name, subresource, change, updateOptions) =>
      updateObject(resource, context, namespace, name, subresource, change, updateOptions ?? {}),
    delete: (context, namespace, name, deleteOptions) =>
      (isNamespace ? deleteNamespace : deleteObject)(resource, context, namespace, name, deleteOptions),
  };
  return resource;
}
