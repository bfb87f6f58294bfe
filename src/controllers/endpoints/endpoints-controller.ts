/** Writes a Service's Endpoints object, for those who do not read EndpointSlices yet. */
import { semanticDeepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import { objectKey } from '#client/informer.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { isNamespaceTerminating } from '../namespace-terminating.ts';
import { type Pod, resources, type Service, splitKey } from '../resources.ts';
import { enqueueServices, hasManagedEndpoints } from '../service-backends.ts';
import { subsetsOf } from './subsets.ts';

const managedByKey = 'endpoints.kubernetes.io/managed-by';
const managedBy = 'endpoint-controller';
const headlessKey = 'service.kubernetes.io/headless';
const overCapacityKey = 'endpoints.kubernetes.io/over-capacity';

export function endpointsController(context: ControllerContext): Controller {
  const { client, informers, recorder } = context;
  const services = informers.informer<Service>(resources.services);
  const pods = informers.informer<Pod>(resources.pods);
  const endpoints = informers.informer(resources.endpoints);
  const queue = context.newQueue('endpoint');
  enqueueServices(services, pods, queue);
  endpoints.addHandler({
    // Left by a Service that was deleted while no controller ran.
    added: (object) => isOurs(object) && !services.get(objectKey(object)) && queue.add(objectKey(object)),
    deleted: (object) => queue.add(objectKey(object)),
  });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const service = services.get(key);
    const current = endpoints.get(key);
    const api = client.resource(resources.endpoints, namespace);
    if (!service) {
      if (!current || !isOurs(current)) return;
      await api.delete(name, { preconditions: { uid: current.metadata.uid! } }).catch((error) => {
        if (!isStatusError(error, 'NotFound')) throw error;
      });
      return;
    }
    if (!hasManagedEndpoints(service)) return;
    const wanted = endpointsOf(service, pods, current);
    if (current && isSame(current, wanted)) return;
    try {
      if (current) await api.update(wanted);
      else await api.create(wanted);
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      const [reason, what] = current ? ['FailedToUpdateEndpoint', 'update'] : ['FailedToCreateEndpoint', 'create'];
      const message = `Failed to ${what} endpoint ${namespace}/${name}: ${messageOf(error)}`;
      // A stale copy is no news: the next sync has the current one.
      if (!isStatusError(error) || error.code !== 409) recorder.event(service, 'Warning', reason!, message);
      throw error;
    }
  }

  return {
    name: 'endpoints-controller',
    async run(signal) {
      await cachesSynced(signal, services, pods, endpoints);
      await queue.process(context.options.concurrentSyncs, sync, signal);
    },
  };
}

function isOurs(endpoints: KubeObject): boolean {
  return endpoints.metadata.labels?.[managedByKey] === managedBy;
}

function endpointsOf(
  service: Service,
  pods: Parameters<typeof subsetsOf>[1],
  current: KubeObject | undefined,
): KubeObject {
  const { name, namespace } = service.metadata;
  const { subsets, isTruncated } = subsetsOf(service, pods);
  const { [overCapacityKey]: _, ...annotations } = current?.metadata.annotations ?? {};
  if (isTruncated) annotations[overCapacityKey] = 'truncated';
  const labels: Record<string, string> = { ...service.metadata.labels, [managedByKey]: managedBy };
  if (service.spec.clusterIP === 'None') labels[headlessKey] = '';
  const metadata = { ...current?.metadata, name: name!, namespace: namespace!, labels, annotations };
  return { apiVersion: 'v1', kind: 'Endpoints', metadata, subsets };
}

function isSame(current: KubeObject, wanted: KubeObject): boolean {
  return (
    semanticDeepEqual(current['subsets'], wanted['subsets']) &&
    semanticDeepEqual(current.metadata.labels, wanted.metadata.labels) &&
    semanticDeepEqual(current.metadata.annotations, wanted.metadata.annotations)
  );
}
