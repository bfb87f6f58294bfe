/** Writes a Service's EndpointSlices: for each address type and set of ports, as many as its endpoints need. */
import { semanticDeepEqual } from '#apimachinery/deep-equal.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { isNamespaceTerminating } from '../namespace-terminating.ts';
import { OwnWrites, ownWritesLapseMs } from '../own-writes.ts';
import { type Node, type Pod, resources, type Service } from '../resources.ts';
import {
  backendsOf,
  enqueueServices,
  hasManagedEndpoints,
  type IpFamily,
  ipFamiliesOf,
  portsFor,
  type ResolvedPort,
} from '../service-backends.ts';
import { packEndpoints } from './pack-endpoints.ts';
import {
  type Endpoint,
  type EndpointSlice,
  endpointOf,
  isOurs,
  newSlice,
  portsKey,
  serviceNameKey,
  sliceLabels,
} from './slice.ts';

interface Plan {
  create: EndpointSlice[];
  update: EndpointSlice[];
  remove: EndpointSlice[];
}

export function endpointSliceController(context: ControllerContext): Controller {
  const { client, informers, recorder, clock } = context;
  const services = informers.informer<Service>(resources.services);
  const pods = informers.informer<Pod>(resources.pods);
  const nodes = informers.informer<Node>(resources.nodes);
  const slices = informers.informer<EndpointSlice>(resources.endpointslices);
  const queue = context.newQueue('endpoint_slice');
  const written = new OwnWrites(clock);
  enqueueServices(services, pods, queue);
  const serviceKey = (slice: EndpointSlice) =>
    isOurs(slice) ? `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceNameKey] ?? ''}` : undefined;
  slices.addIndex('service', (slice) => [serviceKey(slice)].filter((key) => key !== undefined));
  // A slice that someone else made, changed or deleted is put right.
  const enqueueServiceOf = (slice: EndpointSlice) => {
    const key = serviceKey(slice);
    if (key) queue.add(key);
  };
  slices.addHandler({ added: enqueueServiceOf, updated: enqueueServiceOf, deleted: enqueueServiceOf });

  async function sync(key: string): Promise<number | undefined> {
    const service = services.get(key);
    // Its slices are garbage now, and collected as such.
    if (!service) written.forget(key);
    if (!service || service.metadata.deletionTimestamp || !hasManagedEndpoints(service)) return undefined;
    if (!written.areShown(key, slices)) return ownWritesLapseMs;
    try {
      await carryOut(key, planFor(service, slices.byIndex('service', key)));
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      const message = `Error updating Endpoint Slices for Service ${key}: ${messageOf(error)}`;
      const isStale = isStatusError(error, 'Conflict');
      if (!isStale) recorder.event(service, 'Warning', 'FailedToUpdateEndpointSlices', message);
      throw error;
    }
    return undefined;
  }

  function planFor(service: Service, existing: readonly EndpointSlice[]): Plan {
    const families = ipFamiliesOf(service);
    const plan: Plan = { create: [], update: [], remove: existing.filter((s) => !families.includes(s.addressType)) };
    for (const family of families) {
      planFamily(
        service,
        family,
        existing.filter((s) => s.addressType === family),
        plan,
      );
    }
    return plan;
  }

  function planFamily(service: Service, family: IpFamily, existing: readonly EndpointSlice[], plan: Plan): void {
    const labels = sliceLabels(service);
    const groups = groupByPorts(service, family);
    // A Service without endpoints has one empty slice: its readers learn that there are none, rather than nothing.
    if (groups.size === 0) groups.set(portsKey([]), { ports: [], endpoints: [] });
    plan.remove.push(...existing.filter((s) => !groups.has(portsKey(s.ports))));
    for (const [key, { ports, endpoints }] of groups) {
      const slices = existing.filter((s) => portsKey(s.ports) === key);
      const packing = packEndpoints(slices, endpoints);
      if (endpoints.length === 0) {
        if (slices.length === 0) packing.create.push([]);
        const [kept] = packing.remove.splice(0, 1);
        if (kept && (kept.endpoints ?? []).length > 0) packing.update.push({ slice: kept, endpoints: [] });
      }
      const changed = new Map(packing.update.map((u) => [u.slice, u.endpoints]));
      for (const slice of slices) {
        if (packing.remove.includes(slice)) continue;
        const isLabelled = semanticDeepEqual(slice.metadata.labels, labels);
        if (isLabelled && !changed.has(slice)) continue;
        const metadata = { ...slice.metadata, labels };
        plan.update.push({ ...slice, metadata, endpoints: changed.get(slice) ?? slice.endpoints ?? [] });
      }
      plan.create.push(...packing.create.map((batch) => newSlice(service, family, ports, batch)));
      plan.remove.push(...packing.remove);
    }
  }

  function groupByPorts(service: Service, family: IpFamily) {
    const groups = new Map<string, { ports: ResolvedPort[]; endpoints: Endpoint[] }>();
    for (const backend of backendsOf(service, pods, family)) {
      const ports = portsFor(service, backend.pod);
      const key = portsKey(ports);
      const group = groups.get(key) ?? { ports, endpoints: [] };
      group.endpoints.push(endpointOf(service, backend, nodes.get(backend.pod.spec.nodeName ?? '')));
      groups.set(key, group);
    }
    return groups;
  }

  /** New slices before old ones go: a reader never finds fewer endpoints than there are. */
  async function carryOut(key: string, { create, update, remove }: Plan): Promise<void> {
    const api = client.resource<EndpointSlice>(resources.endpointslices, key.split('/')[0]);
    for (const slice of create) written.wrote(key, await api.create(slice));
    for (const slice of update) written.wrote(key, await api.update(slice));
    for (const slice of remove) {
      try {
        await api.delete(slice.metadata.name!, { preconditions: { uid: slice.metadata.uid! } });
        written.deleted(key, slice);
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
    }
  }

  return {
    name: 'endpointslice-controller',
    async run(signal) {
      await cachesSynced(signal, services, pods, nodes, slices);
      await queue.process(context.options.concurrentSyncs, sync, signal);
    },
  };
}
