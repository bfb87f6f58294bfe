/**
 * Deletes what has lost all its owners, and carries out foreground and orphan deletions. The graph is fed by informers
 * and may be behind; before anything is deleted, the object and its owners are read afresh, and the deletion names the
 * uid. Worst outcome of a stale graph: one read more.
 */

import { formatGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject, OwnerReference } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import { groupVersionKindKey, type ServedResource, servedResources, withoutAliases } from '../api-resources.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type GraphNode, OwnerGraph } from './graph.ts';

/** How often new kinds (custom resources) are looked for. */
const rediscoverMs = 30_000;
/** Owned by nobody and owning nothing: watching them would cost much and find nothing. */
const ignored = new Set(['events']);

export function garbageCollector(context: ControllerContext): Controller {
  const { client, informers, clock, log } = context;
  const graph = new OwnerGraph();
  const toDelete = context.newQueue('garbage_collector_attempt_to_delete');
  const toOrphan = context.newQueue('garbage_collector_attempt_to_orphan');
  const byKind = new Map<string, ServedResource>();
  const watched = new Set<string>();
  let isComplete = false;

  async function discover(signal: AbortSignal): Promise<void> {
    const served = withoutAliases(await servedResources(client));
    const added: Promise<void>[] = [];
    for (const resource of served) {
      byKind.set(`${formatGroupVersion(resource)}/${resource.kind}`, resource);
      const key = `${formatGroupVersion(resource)}/${resource.resource}`;
      const isCollectable = ['delete', 'list', 'watch'].every((v) => resource.verbs.includes(v));
      if (!isCollectable || watched.has(key) || ignored.has(resource.resource)) continue;
      watched.add(key);
      added.push(watch(resource, signal));
    }
    await Promise.all(added);
    isComplete = true;
  }

  function watch(resource: ServedResource, signal: AbortSignal): Promise<void> {
    const informer = informers.informer({
      group: resource.group,
      version: resource.version,
      resource: resource.resource,
    });
    const apiVersion = formatGroupVersion(resource);
    const seen = (object: KubeObject) => {
      const node = graph.upsert(object, resource, apiVersion, resource.kind);
      consider(node);
    };
    informer.addHandler({
      added: seen,
      updated: seen,
      deleted: (object) => {
        for (const dependent of graph.remove(object.metadata.uid!)) toDelete.add(dependent.identity.uid);
        // A foreground deletion may have been waiting for just this dependent.
        for (const owner of object.metadata.ownerReferences ?? []) {
          if (graph.get(owner.uid)?.deletingDependents) toDelete.add(owner.uid);
        }
      },
    });
    return informer.whenSynced(signal);
  }

  function consider(node: GraphNode): void {
    const { uid } = node.identity;
    if (node.orphaning) toOrphan.add(uid);
    if (node.deletingDependents) {
      toDelete.add(uid);
      for (const dependent of node.dependents) toDelete.add(dependent.identity.uid);
    }
    // An owner that we do not know, or that is going: worth a look.
    const isSuspect = node.owners.some((o) => {
      const owner = graph.get(o.uid);
      return !owner || owner.virtual || owner.beingDeleted;
    });
    if (isSuspect) toDelete.add(uid);
  }

  async function attemptToDelete(uid: string): Promise<number | undefined> {
    if (!isComplete) return 100;
    const node = graph.get(uid);
    if (!node?.resource) return undefined;
    if (node.deletingDependents) return finishForeground(node);
    if (node.beingDeleted) return undefined;
    const live = await read(node);
    if (!live || live.metadata.deletionTimestamp) return undefined;
    const references = live.metadata.ownerReferences ?? [];
    if (references.length === 0) return undefined;
    const states = await Promise.all(references.map((r) => ownerState(r, live.metadata.namespace ?? '')));
    const of = (state: string) => references.filter((_, i) => states[i] === state);
    const [solid, waiting, absent] = [of('solid'), of('waiting'), of('absent')];
    if (solid.length > 0) {
      // Still owned: only the references that lead nowhere are taken off.
      if (absent.length + waiting.length > 0) await dropOwners(node, live, [...absent, ...waiting]);
      return undefined;
    }
    if (waiting.length > 0 && node.dependents.size > 0) {
      await remove(node, live, 'Foreground');
      return undefined;
    }
    const finalizers = live.metadata.finalizers ?? [];
    const policy = finalizers.includes('orphan')
      ? 'Orphan'
      : finalizers.includes('foregroundDeletion')
        ? 'Foreground'
        : 'Background';
    await remove(node, live, policy);
    return undefined;
  }

  /** solid: exists; waiting: exists, and is being deleted after its dependents; absent: gone, or another of that name. */
  async function ownerState(reference: OwnerReference, namespace: string): Promise<'solid' | 'waiting' | 'absent'> {
    const resource = byKind.get(groupVersionKindKey(reference.apiVersion, reference.kind)) ?? sameKind(reference);
    // Of a kind that is not served (its definition may come back): nothing is deleted on a guess.
    if (!resource) return 'solid';
    try {
      const api = client.resource(resource, resource.namespaced ? namespace : '');
      const owner = await api.get(reference.name);
      if (owner.metadata.uid !== reference.uid) return 'absent';
      const isForeground = owner.metadata.finalizers?.includes('foregroundDeletion') ?? false;
      return owner.metadata.deletionTimestamp && isForeground ? 'waiting' : 'solid';
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return 'absent';
      throw error;
    }
  }

  /** The reference may name another version of the group than the one we watch. */
  function sameKind(reference: OwnerReference): ServedResource | undefined {
    const group = reference.apiVersion.includes('/') ? reference.apiVersion.split('/')[0]! : '';
    return [...byKind.values()].find((r) => r.group === group && r.kind === reference.kind);
  }

  /** Once no dependent blocks it any more, a foreground deletion loses its finalizer, and the object goes. */
  async function finishForeground(node: GraphNode): Promise<number | undefined> {
    const { uid } = node.identity;
    const blocking = [...node.dependents].filter((d) =>
      d.owners.some((o) => o.uid === uid && o.blockOwnerDeletion === true),
    );
    if (blocking.length > 0) {
      for (const dependent of blocking) if (!dependent.beingDeleted) toDelete.add(dependent.identity.uid);
      return undefined;
    }
    await removeFinalizer(node, 'foregroundDeletion');
    return undefined;
  }

  async function attemptToOrphan(uid: string): Promise<number | undefined> {
    if (!isComplete) return 100;
    const node = graph.get(uid);
    if (!node?.orphaning) return undefined;
    for (const dependent of node.dependents) {
      const live = await read(dependent);
      const references = (live?.metadata.ownerReferences ?? []).filter((r) => r.uid === uid);
      if (live && references.length > 0) await dropOwners(dependent, live, references);
    }
    await removeFinalizer(node, 'orphan');
    return undefined;
  }

  async function read(node: GraphNode): Promise<KubeObject | undefined> {
    try {
      const live = await apiOf(node).get(node.identity.name);
      return live.metadata.uid === node.identity.uid ? live : undefined;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async function remove(
    node: GraphNode,
    live: KubeObject,
    propagationPolicy: 'Foreground' | 'Background' | 'Orphan',
  ): Promise<void> {
    const { uid, resourceVersion } = live.metadata;
    try {
      // The resourceVersion too: an owner may have been added since we looked.
      await apiOf(node).delete(node.identity.name, {
        propagationPolicy,
        preconditions: { uid: uid!, resourceVersion: resourceVersion! },
      });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }

  async function dropOwners(node: GraphNode, live: KubeObject, gone: readonly OwnerReference[]): Promise<void> {
    const uids = new Set(gone.map((r) => r.uid));
    const ownerReferences = (live.metadata.ownerReferences ?? []).filter((r) => !uids.has(r.uid));
    await patch(node, {
      metadata: { uid: live.metadata.uid, resourceVersion: live.metadata.resourceVersion, ownerReferences },
    });
  }

  async function removeFinalizer(node: GraphNode, finalizer: string): Promise<void> {
    const live = await read(node);
    if (!live?.metadata.finalizers?.includes(finalizer)) return;
    const finalizers = live.metadata.finalizers.filter((f) => f !== finalizer);
    await patch(node, {
      metadata: { uid: live.metadata.uid, resourceVersion: live.metadata.resourceVersion, finalizers },
    });
  }

  async function patch(node: GraphNode, body: object): Promise<void> {
    try {
      await apiOf(node).patch(node.identity.name, 'application/merge-patch+json', body);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }

  function apiOf(node: GraphNode) {
    return client.resource(node.resource!, node.resource!.namespaced ? node.identity.namespace : '');
  }

  async function rediscover(signal: AbortSignal): Promise<void> {
    let waitMs = 0;
    while (!signal.aborted) {
      await sleep(clock, waitMs, signal);
      if (signal.aborted) return;
      try {
        await discover(signal);
        waitMs = rediscoverMs;
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'discovery failed, trying again');
        waitMs = 1000;
      }
    }
  }

  return {
    name: 'garbage-collector-controller',
    async run(signal) {
      const workers = context.options.concurrentSyncs;
      await Promise.all([
        rediscover(signal),
        toDelete.process(workers, attemptToDelete, signal),
        toOrphan.process(workers, attemptToOrphan, signal),
      ]);
    },
  };
}
