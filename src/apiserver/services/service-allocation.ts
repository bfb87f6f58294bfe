/**
 * Gives services their addresses and node ports, as the last step of admission: after everything else agreed, and before
 * the write. What a failed write leaves taken, or a finished update or deletion sets free, is given back once the
 * service's stored state shows it; the server that took it does so, and a slow repair does it for one that died.
 */

import { fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import type { Registry } from '../registry/registry.ts';
import { AllocationError, createIpAllocator, type ServiceName } from './ip-allocator.ts';
import type { IpRange } from './ip-range.ts';
import { createNodePortAllocator, type NodePortRange } from './node-port-allocator.ts';
import {
  clusterIpsOf,
  dropUnused,
  nodePortsOf,
  normalize,
  takeOverAllocated,
  withHealthCheckPort,
  withNodePorts,
} from './service-fields.ts';

export interface ServiceAllocation {
  plugin: AdmissionPlugin;
  /** Gives back what is not used any more, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** How long after a write its outcome is looked at. Longer than a request may take. */
const settleMs = 90_000;
const repairIntervalMs = 180_000;

export function createServiceAllocation(
  registry: Registry,
  range: IpRange,
  nodePortRange: NodePortRange,
  { clock, random, log }: { clock: Clock; random: () => number; log: Logger },
): ServiceAllocation {
  const ips = createIpAllocator(registry, range, clock, random);
  const ports = createNodePortAllocator(registry.backend.raw, nodePortRange, random);
  const services = registry.lister('', 'services');
  const releaser = createReleaser(services, ips, ports, clock, log);

  const allocate = async (attributes: AdmissionAttributes, service: KubeObject): Promise<void> => {
    const { oldObject, dryRun } = attributes;
    const spec = service['spec'];
    const owner = { namespace: attributes.namespace, name: service.metadata.name! };
    const taken = { ips: [] as string[], ports: [] as number[] };
    const had = new Set(nodePortsOf(oldObject));
    const takePort = async (wanted: number | undefined, field: string): Promise<number> => {
      if (wanted && had.has(wanted)) return wanted;
      try {
        const port = await ports.allocate(wanted || undefined, dryRun);
        taken.ports.push(port);
        return port;
      } catch (error) {
        throw invalid(service, field, wanted ?? null, error);
      }
    };
    try {
      if (spec.type !== 'ExternalName' && spec.clusterIP !== 'None') {
        const [wanted] = spec.clusterIPs ?? [];
        if (!wanted || !clusterIpsOf(oldObject).includes(wanted)) {
          try {
            const address = await ips.allocate(owner, wanted || undefined, dryRun);
            taken.ips.push(address);
            spec.clusterIP = address;
            spec.clusterIPs = [address];
          } catch (error) {
            const prefix = wanted ? `failed to allocate IP ${wanted}: ` : 'failed to allocate a serviceIP: ';
            throw invalid(service, 'spec.clusterIPs', wanted ? [wanted] : [], error, prefix);
          }
        }
      }
      for (const [i, port] of ((spec.ports ?? []) as any[]).entries())
        if (port.nodePort || withNodePorts(spec))
          port.nodePort = await takePort(port.nodePort, `spec.ports[${i}].nodePort`);
      if (withHealthCheckPort(spec))
        spec.healthCheckNodePort = await takePort(spec.healthCheckNodePort, 'spec.healthCheckNodePort');
    } catch (error) {
      if (!dryRun) releaser.giveBack(owner, taken.ips, taken.ports);
      throw error;
    }
    if (!dryRun && (taken.ips.length > 0 || taken.ports.length > 0)) releaser.watch(owner, taken.ips, taken.ports);
  };

  const isService = ({ resource, subresource }: AdmissionAttributes) =>
    resource.group === '' && resource.resource === 'services' && subresource === '';

  return {
    plugin: {
      name: 'ServiceAllocation',
      handles: (operation) => operation !== 'CONNECT',
      admit(attributes) {
        const { object, oldObject } = attributes;
        if (!isService(attributes) || !object?.['spec']) return;
        if (oldObject) {
          takeOverAllocated(object, oldObject);
          dropUnused(object, oldObject);
        }
        normalize(object, range.family);
      },
      async validate(attributes) {
        if (!isService(attributes)) return;
        const { object, oldObject, dryRun } = attributes;
        if (object?.['spec']) await allocate(attributes, object);
        if (!oldObject || dryRun) return;
        const owner = { namespace: attributes.namespace, name: attributes.name };
        releaser.watch(owner, clusterIpsOf(oldObject), nodePortsOf(oldObject));
      },
    },
    run: (signal) => releaser.run(signal),
  };
}

function invalid(service: KubeObject, field: string, value: unknown, error: unknown, prefix = ''): unknown {
  if (!(error instanceof AllocationError)) return error;
  return apiErrors.invalid({ group: '', kind: 'Service' }, service.metadata.name ?? '', [
    fieldError.invalid(field, value, prefix + error.message),
  ]);
}

/** What a service may hold once its write is decided. */
interface Watched {
  ips: Set<string>;
  ports: Set<number>;
  settledAt: number;
}

function createReleaser(
  services: ReturnType<Registry['lister']>,
  ips: ReturnType<typeof createIpAllocator>,
  ports: ReturnType<typeof createNodePortAllocator>,
  clock: Clock,
  log: Logger,
) {
  const watched = new Map<string, Watched>();
  const keyOf = ({ namespace, name }: ServiceName) => `${namespace}/${name}`;

  const release = (owner: ServiceName, addresses: readonly string[], nodePorts: readonly number[]) => {
    const work = [ports.release(nodePorts), ...addresses.map((ip) => ips.release(owner, ip))];
    Promise.all(work).catch((error) => log.warn({ error: String(error) }, 'service addresses could not be released'));
  };
  /** What the service does not hold (any more) is free. */
  const settle = (key: string, service: KubeObject | undefined) => {
    const entry = watched.get(key);
    if (!entry) return;
    const [namespace = '', name = ''] = key.split('/');
    const [heldIps, heldPorts] = [clusterIpsOf(service), nodePortsOf(service)];
    const freeIps = [...entry.ips].filter((ip) => !heldIps.includes(ip));
    const freePorts = [...entry.ports].filter((port) => !heldPorts.includes(port));
    watched.delete(key);
    if (freeIps.length > 0 || freePorts.length > 0) release({ namespace, name }, freeIps, freePorts);
  };
  services.onChange(settle);

  return {
    /** Taken a moment ago by a request that failed: nobody else can hold them. */
    giveBack: release,
    watch(owner: ServiceName, addresses: readonly string[], nodePorts: readonly number[]) {
      const key = keyOf(owner);
      const entry = watched.get(key) ?? { ips: new Set<string>(), ports: new Set<number>(), settledAt: 0 };
      for (const ip of addresses) entry.ips.add(ip);
      for (const port of nodePorts) entry.ports.add(port);
      entry.settledAt = clock.monotonic() + settleMs;
      watched.set(key, entry);
    },
    async run(signal: AbortSignal): Promise<void> {
      let suspects = new Set<number>();
      while (!signal.aborted) {
        await sleep(clock, repairIntervalMs, signal);
        if (signal.aborted) break;
        for (const [key, entry] of watched) if (entry.settledAt < clock.monotonic()) settle(key, find(services, key));
        try {
          suspects = await repairPorts(services, ports, suspects);
        } catch (error) {
          log.warn({ error: String(error) }, 'node ports could not be repaired');
        }
      }
    },
  };
}

function find(services: ReturnType<Registry['lister']>, key: string): KubeObject | undefined {
  const [namespace = '', name = ''] = key.split('/');
  return services.get(namespace, name);
}

/** A port that no service has, twice in a row, is free. Returns the suspects of this round. */
async function repairPorts(
  services: ReturnType<Registry['lister']>,
  ports: ReturnType<typeof createNodePortAllocator>,
  suspects: ReadonlySet<number>,
): Promise<Set<number>> {
  const held = new Set(services.list().flatMap(nodePortsOf));
  const unused = (await ports.allocated()).filter((port) => !held.has(port));
  await ports.release(unused.filter((port) => suspects.has(port)));
  return new Set(unused.filter((port) => !suspects.has(port)));
}
