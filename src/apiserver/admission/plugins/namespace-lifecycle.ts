/**
 * NamespaceLifecycle: nothing is made in a namespace that is missing or going away, and those the system needs are
 * never deleted.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import type { AdmissionPlugin } from '../admission.ts';

const immortal: readonly string[] = ['default', 'kube-system', 'kube-public'];

/** `get` reads from memory; `getLive` asks the store, for a namespace made a moment ago on another server. */
export function namespaceLifecycle(
  get: (name: string) => KubeObject | undefined,
  getLive: (name: string) => Promise<KubeObject | undefined>,
): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    handles: (operation) => operation !== 'CONNECT',
    async admit(attributes) {
      const { operation, resource, namespace, name } = attributes;
      if (resource.group === '' && resource.resource === 'namespaces') {
        if (operation === 'DELETE' && immortal.includes(name))
          throw apiErrors.forbidden(resource, name, 'this namespace may not be deleted');
        return;
      }
      if (namespace === '' || operation === 'DELETE') return;
      if (resource.group === 'authorization.k8s.io' && resource.resource === 'localsubjectaccessreviews') return;
      const found = get(namespace) ?? (await getLive(namespace));
      if (!found) throw apiErrors.notFound({ group: '', resource: 'namespaces' }, namespace);
      if (operation !== 'CREATE' || !isTerminating(found)) return;
      const fresh = immortal.includes(namespace) ? await getLive(namespace) : found;
      if (fresh && isTerminating(fresh))
        throw terminating(attributes.resource, objectName(attributes.object, name), namespace);
    },
  };
}

function isTerminating(namespace: KubeObject): boolean {
  return namespace.metadata.deletionTimestamp !== undefined || namespace['status']?.phase === 'Terminating';
}

function objectName(object: KubeObject | undefined, name: string): string {
  return object?.metadata.name ?? name;
}

function terminating(gr: { group: string; resource: string }, name: string, namespace: string): StatusError {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const { status } = apiErrors.forbidden(gr, name, why);
  return new StatusError({
    code: status.code,
    reason: 'Forbidden',
    message: status.message,
    details: {
      ...status.details,
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    },
  });
}
