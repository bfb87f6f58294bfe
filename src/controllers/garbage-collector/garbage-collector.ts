/**
 * Deletes what has lost all its owners, and carries out foreground and orphan deletions. The graph is fed by informers
 * and may be behind; before anything is deleted, the object and its owners are read afresh, and the deletion names the
 * uid and resourceVersion that were read. Worst outcome of a stale graph: one read more.
 */
import type { KubeObject, OwnerReference } from '#apimachinery/object.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type GraphNode, OwnerGraph } from './graph.ts';
import { GraphApi } from './graph-api.ts';
import { monitorResources } from './monitors.ts';
import { type OwnerState, ownerStates } from './owner-state.ts';

/** A kind that cannot be listed (its server is away) holds up the collection of all others no longer than this. */
const initialSyncMs = 30_000;

export function garbageCollector(context: ControllerContext): Controller {
  const { clock, recorder } = context;
  const graph = new OwnerGraph();
  const toDelete = context.newQueue('garbage_collector_attempt_to_delete');
  const toOrphan = context.newQueue('garbage_collector_attempt_to_orphan');
  const api = new GraphApi(context.client);
  const monitors = monitorResources(context, { seen, gone, served });
  const stateOf = ownerStates(context.client, monitors.resourceOf);

  function seen(...[object, resource, apiVersion]: Parameters<OwnerGraph['upsert']>): void {
    const { node, wasOwnedBy, isChanged } = graph.upsert(object, resource, apiVersion);
    if (!isChanged) return;
    // A reference taken away, or no longer blocking, may end a foreground deletion.
    recheckOwners(wasOwnedBy);
    const { uid } = node.identity;
    if (node.orphaning) toOrphan.add(uid);
    if (node.deletingDependents) {
      toDelete.add(uid);
      enqueue(node.dependents);
    }
    if (!hasSolidOwners(node)) toDelete.add(uid);
  }

  function gone(object: KubeObject): void {
    enqueue(graph.remove(object.metadata.uid!));
    recheckOwners(object.metadata.ownerReferences ?? []);
  }

  /** Owners of this kind were taken on trust so far. */
  function served(isServed: (owner: { apiVersion: string; kind: string }) => boolean): void {
    for (const owner of graph.virtual()) if (isServed(owner.identity)) enqueue(owner.dependents);
  }

  function enqueue(nodes: Iterable<GraphNode>): void {
    for (const node of nodes) toDelete.add(node.identity.uid);
  }

  function recheckOwners(owners: readonly OwnerReference[]): void {
    for (const { uid } of owners) if (graph.get(uid)?.deletingDependents) toDelete.add(uid);
  }

  /** By the graph alone: every owner was seen where the reference says, and none waits for its dependents. */
  function hasSolidOwners(node: GraphNode): boolean {
    return node.owners.every((reference) => {
      const owner = graph.get(reference.uid);
      if (!owner || owner.virtual || owner.deletingDependents) return false;
      const { namespace, name, kind } = owner.identity;
      const isInReach = namespace === '' || namespace === node.identity.namespace;
      return isInReach && name === reference.name && kind === reference.kind;
    });
  }

  async function attemptToDelete(uid: string): Promise<void> {
    const node = graph.get(uid);
    if (!node || node.virtual) return;
    if (node.deletingDependents) return finishForeground(node);
    if (node.beingDeleted || hasSolidOwners(node)) return;
    const live = await api.read(node);
    if (!live || live.metadata.deletionTimestamp) return;
    const references = live.metadata.ownerReferences ?? [];
    if (references.length === 0) return;
    const states = await Promise.all(references.map((r) => stateOf(r, node)));
    const inState = (state: OwnerState) => references.filter((_, i) => states[i] === state);
    const [absent, waiting] = [inState('absent'), inState('waiting')];
    reportForeignNamespaces(live, absent);
    if (absent.length + waiting.length < references.length) {
      // Still owned: only the references that lead nowhere are taken off.
      if (absent.length + waiting.length > 0) await api.dropOwners(node, live, [...absent, ...waiting]);
    } else if (waiting.length > 0 && node.dependents.size > 0) {
      // A circle of foreground deletions would wait for itself.
      const isCircle = [...node.dependents].some((d) => d.deletingDependents);
      const current = isCircle ? await api.unblockOwners(node, live) : live;
      if (current) await api.remove(node, current, 'Foreground');
    } else {
      await api.remove(node, live, policyOf(live));
    }
  }

  /** Once no dependent blocks it any more, a foreground deletion loses its finalizer, and the object goes. */
  async function finishForeground(node: GraphNode): Promise<void> {
    const { uid } = node.identity;
    const blocking = [...node.dependents].filter((d) => d.owners.some((o) => o.uid === uid && o.blockOwnerDeletion));
    if (blocking.length === 0) await api.removeFinalizer(node, 'foregroundDeletion');
    else enqueue(blocking.filter((d) => !d.beingDeleted));
  }

  async function attemptToOrphan(uid: string): Promise<void> {
    const node = graph.get(uid);
    if (!node?.orphaning) return;
    for (const dependent of node.dependents) {
      const live = await api.read(dependent);
      const references = (live?.metadata.ownerReferences ?? []).filter((r) => r.uid === uid);
      if (live && references.length > 0) await api.dropOwners(dependent, live, references);
    }
    await api.removeFinalizer(node, 'orphan');
  }

  /** A mistake that costs the dependent its life deserves a word: owners live in the dependent's own namespace. */
  function reportForeignNamespaces(live: KubeObject, absent: readonly OwnerReference[]): void {
    for (const { apiVersion, kind, name, uid } of absent) {
      const owner = graph.get(uid);
      if (!owner || owner.virtual || owner.identity.namespace === (live.metadata.namespace ?? '')) continue;
      const reference = `[${apiVersion}/${kind}, namespace: ${live.metadata.namespace}, name: ${name}, uid: ${uid}]`;
      const message = `ownerRef ${reference} does not exist in namespace ${JSON.stringify(live.metadata.namespace)}`;
      recorder.event(live, 'Warning', 'OwnerRefInvalidNamespace', message);
    }
  }

  return {
    name: 'garbage-collector-controller',
    async run(signal) {
      const discovering = monitors.run(signal);
      await withinMs(clock, initialSyncMs, monitors.whenSynced(), signal);
      const workers = context.options.concurrentSyncs;
      await Promise.all([
        discovering,
        toDelete.process(workers, attemptToDelete, signal),
        toOrphan.process(workers, attemptToOrphan, signal),
      ]);
    },
  };
}

/** As the object's own finalizers ask, for those may have been set by a deletion before ours. */
function policyOf(live: KubeObject): 'Orphan' | 'Foreground' | 'Background' {
  const finalizers = live.metadata.finalizers ?? [];
  if (finalizers.includes('orphan')) return 'Orphan';
  return finalizers.includes('foregroundDeletion') ? 'Foreground' : 'Background';
}

async function withinMs(clock: Clock, ms: number, done: Promise<void>, signal: AbortSignal): Promise<void> {
  const enough = new AbortController();
  await Promise.race([done, sleep(clock, ms, AbortSignal.any([signal, enough.signal]))]);
  enough.abort();
}
