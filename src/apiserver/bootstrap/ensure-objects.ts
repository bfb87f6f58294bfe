/**
 * Makes objects exist, in as few round trips as can be: one cached list per resource tells what is missing, and all that
 * is missing is created side by side. Writes go straight to the storage: these objects are complete (status included), and
 * no admission may refuse them. Another server that creates the same ones at the same time does no harm.
 */
import { randomUUID } from 'node:crypto';
import { parseGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Registry, ResourceRegistry } from '../registry/registry.ts';

/** Writes in flight at once. */
const concurrentWritesMax = 128;

/** `update` gets an existing object (its own copy) and the wanted one, and returns what to store, or undefined: leave it. */
export type Reconcile = (existing: KubeObject, wanted: KubeObject) => KubeObject | undefined;

export async function ensureObjects(
  registry: Registry,
  objects: readonly KubeObject[],
  clock: Clock,
  reconcile?: Reconcile,
): Promise<void> {
  const byResource = new Map<ResourceRegistry, KubeObject[]>();
  for (const object of objects) {
    const resource = resourceOf(registry, object);
    if (!resource) continue;
    const list = byResource.get(resource);
    if (list) list.push(object);
    else byResource.set(resource, [object]);
  }
  const tasks: (() => Promise<unknown>)[] = [];
  await Promise.all(
    [...byResource].map(async ([resource, wanted]) => {
      const existing = await existingOf(resource);
      for (const object of wanted) {
        const key = resource.key(object.metadata.namespace ?? '', object.metadata.name!);
        const stored = existing.get(key);
        if (!stored) tasks.push(() => resource.storage.create(key, withIdentity(object, clock)));
        else if (reconcile?.(stored(), object))
          tasks.push(() =>
            resource.storage.guaranteedUpdate(key, (current) => current && (reconcile(current, object) ?? current)),
          );
      }
    }),
  );
  await runAtMost(concurrentWritesMax, tasks);
}

/** The resource whose objects have this kind. */
function resourceOf(registry: Registry, object: KubeObject): ResourceRegistry | undefined {
  const { group } = parseGroupVersion(object.apiVersion);
  for (const resource of registry.resources())
    if (resource.info.group === group && resource.info.kind === object.kind) return resource;
  return undefined;
}

async function existingOf(resource: ResourceRegistry): Promise<Map<string, () => KubeObject>> {
  const { storagePrefix } = resource.info;
  const prefix = resource.key('', '').startsWith(storagePrefix ?? '') ? storagePrefix! : resource.key('', '');
  const { entries } = await resource.storage.list({ prefix, revision: 0 });
  return new Map(entries.map((entry) => [entry.key, () => entry.object()]));
}

/** The metadata a registry gives at creation. */
export function withIdentity(object: KubeObject, clock: Clock): KubeObject {
  const creationTimestamp = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;
  return { ...object, metadata: { ...object.metadata, uid: randomUUID(), creationTimestamp } };
}

async function runAtMost(limit: number, tasks: readonly (() => Promise<unknown>)[]): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < tasks.length) await tasks[next++]!();
  };
  await Promise.all(Array.from({ length: Math.min(limit, tasks.length) }, worker));
}
