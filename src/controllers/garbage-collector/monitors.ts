/** One informer per resource that can be collected, custom ones as they come; those that go are let go. */
import { formatGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject, OwnerReference } from '#apimachinery/object.ts';
import { sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import { discover, groupKindOf, type ServedResource } from '../api-resources.ts';
import type { ControllerContext } from '../controller.ts';

/** How often new kinds are looked for. Upstream's number. */
const rediscoverMs = 30_000;
const retryMs = 1_000;

export interface MonitorHandler {
  seen(object: KubeObject, resource: ServedResource, apiVersion: string): void;
  gone(object: KubeObject): void;
  /** Kinds are served that were not before. */
  served(isServed: (owner: { apiVersion: string; kind: string }) => boolean): void;
}

export interface Monitors {
  run(signal: AbortSignal): Promise<void>;
  /** The first discovery is done, and what it found is listed. */
  whenSynced(): Promise<void>;
  resourceOf(reference: OwnerReference): ServedResource | undefined;
}

export function monitorResources(
  { client, informers, clock, log }: ControllerContext,
  handler: MonitorHandler,
): Monitors {
  const byGroupKind = new Map<string, ServedResource>();
  const synced = Promise.withResolvers<void>();

  async function rediscover(signal: AbortSignal): Promise<void> {
    const { resources, stale } = await discover(client);
    const isStale = (r: ServedResource) => stale.some((gv) => gv.split('/')[0] === r.group);
    const current = new Map(resources.map((r) => [`${r.group}/${r.kind}`, r]));
    for (const [groupKind, resource] of byGroupKind) {
      if (current.get(groupKind)?.version === resource.version || isStale(resource)) continue;
      byGroupKind.delete(groupKind);
      if (isCollectable(resource)) informers.stop(gvrOf(resource));
    }
    const added = resources.filter((r) => !byGroupKind.has(`${r.group}/${r.kind}`));
    for (const resource of added) byGroupKind.set(`${resource.group}/${resource.kind}`, resource);
    const syncing = added.filter(isCollectable).map((resource) => monitor(resource, signal));
    if (added.length > 0) {
      const kinds = new Set(added.map((r) => `${r.group}/${r.kind}`));
      handler.served(({ apiVersion, kind }) => kinds.has(groupKindOf(apiVersion, kind)));
    }
    void Promise.all(syncing).then(() => synced.resolve());
  }

  function monitor(resource: ServedResource, signal: AbortSignal): Promise<void> {
    const informer = informers.informer(gvrOf(resource), { metadataOnly: true });
    const apiVersion = formatGroupVersion(resource);
    const seen = (object: KubeObject) => handler.seen(object, resource, apiVersion);
    informer.addHandler({ added: seen, updated: seen, deleted: (object) => handler.gone(object) });
    return informer.whenSynced(signal);
  }

  return {
    async run(signal) {
      while (!signal.aborted) {
        let waitMs = rediscoverMs;
        try {
          await rediscover(signal);
        } catch (error) {
          log.warn({ error: messageOf(error) }, 'discovery failed: trying again');
          waitMs = retryMs;
        }
        await sleep(clock, waitMs, signal);
      }
    },
    whenSynced: () => synced.promise,
    resourceOf: ({ apiVersion, kind }) => byGroupKind.get(groupKindOf(apiVersion, kind)),
  };
}

/** Events own nothing and are owned by nobody: watching them would cost much and find nothing. */
function isCollectable({ group, resource, verbs }: ServedResource): boolean {
  return !(group === '' && resource === 'events') && ['delete', 'list', 'watch'].every((v) => verbs.includes(v));
}

function gvrOf({ group, version, resource }: ServedResource) {
  return { group, version, resource };
}
