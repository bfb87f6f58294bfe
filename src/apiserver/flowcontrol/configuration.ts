/**
 * Keeps flow control at what the API says, and the API's own part of it in order: the objects a cluster starts with are
 * kept up to date unless an administrator has taken them over (annotation), the two mandatory ones always; and a FlowSchema
 * whose priority level does not exist is marked Dangling. Every server does this; a second one finds nothing to write.
 */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { ensureObjects } from '../bootstrap/ensure-objects.ts';
import type { Lister, Registry } from '../registry/registry.ts';
import { type FlowControl, isMandatory } from './flow-control.ts';

const group = 'flowcontrol.apiserver.k8s.io';
const autoUpdate = 'apf.kubernetes.io/autoupdate-spec';
const upkeepMs = 60_000;

export interface BootstrapFlows {
  schemas: readonly KubeObject[];
  levels: readonly KubeObject[];
}

export function createFlowConfiguration(
  registry: Registry,
  flowControl: FlowControl,
  bootstrap: BootstrapFlows,
  clock: Clock,
  log: Logger,
) {
  const schemas = registry.lister(group, 'flowschemas');
  const levels = registry.lister(group, 'prioritylevelconfigurations');
  let isStale = false;

  const apply = async () => {
    isStale = false;
    if (!schemas.synced || !levels.synced) return;
    flowControl.configure(schemas.list(), levels.list());
    await markDangling(registry, schemas, levels, clock);
  };
  /** Many objects change in one turn at the start. */
  const changed = () => {
    if (isStale) return;
    isStale = true;
    clock.setTimer(0, () => {
      apply().catch((error: unknown) =>
        log.warn({ error: messageOf(error) }, 'conditions of flow schemas not written'),
      );
    });
  };
  schemas.onChange(changed);
  levels.onChange(changed);

  return {
    synced: () => schemas.synced && levels.synced,
    async run(signal: AbortSignal): Promise<void> {
      await Promise.all([flowControl.run(signal), keepUp(registry, bootstrap, clock, log, signal)]);
    },
  };
}

async function keepUp(
  registry: Registry,
  { schemas, levels }: BootstrapFlows,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(clock, upkeepMs, signal);
    if (signal.aborted) return;
    try {
      await ensureObjects(registry, [...levels, ...schemas], clock, reconcileFlowObject);
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'the flow control objects were not looked after; again in a minute');
    }
  }
}

/** What a kept-up object should be; undefined: it is, or it is not ours to change. */
export function reconcileFlowObject(existing: KubeObject, wanted: KubeObject): KubeObject | undefined {
  const annotation = existing.metadata.annotations?.[autoUpdate];
  const isOurs = isMandatory(wanted.metadata.name!) || (annotation ?? 'true') === 'true';
  if (!isOurs) return undefined;
  const isSame = deepEqual(existing['spec'], wanted['spec']);
  if (isSame && annotation === 'true') return undefined;
  return {
    ...existing,
    metadata: {
      ...existing.metadata,
      annotations: { ...existing.metadata.annotations, [autoUpdate]: 'true' },
      ...(isSame ? {} : { generation: (existing.metadata['generation'] ?? 1) + 1 }),
    },
    spec: wanted['spec'],
  };
}

async function markDangling(registry: Registry, schemas: Lister, levels: Lister, clock: Clock): Promise<void> {
  const resource = registry.resource(group, 'flowschemas')!;
  for (const schema of schemas.list()) {
    const wanted = danglingCondition(schema, levels);
    if (!wanted) continue;
    await resource.storage.guaranteedUpdate(resource.key('', schema.metadata.name!), (current) => {
      if (!current) return undefined;
      const condition = danglingCondition(current, levels);
      if (!condition) return current;
      const lastTransitionTime = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;
      const others = (current['status']?.conditions ?? []).filter((c: { type: string }) => c.type !== 'Dangling');
      return {
        ...current,
        status: { ...current['status'], conditions: [...others, { ...condition, lastTransitionTime }] },
      };
    });
  }
}

/** Undefined: its condition says so already. */
function danglingCondition(schema: KubeObject, levels: Lister) {
  const name: string = schema['spec']?.priorityLevelConfiguration?.name ?? '';
  const exists = levels.get('', name) !== undefined;
  const status = exists ? 'False' : 'True';
  const present = (schema['status']?.conditions ?? []).find((c: { type: string }) => c.type === 'Dangling');
  if (present?.status === status) return undefined;
  const which = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(name)}`;
  return {
    type: 'Dangling',
    status,
    reason: exists ? 'Found' : 'NotFound',
    message: exists ? `${which} and it exists` : `${which} but there is no such object`,
  };
}
