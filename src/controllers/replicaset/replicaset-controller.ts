/** Keeps as many pods as a ReplicaSet asks for. */
import { labelSelectorFromObject, matchesLabels } from '#apimachinery/selector/labels.ts';
import { objectKey } from '#client/informer.ts';
import { claim } from '../adoption.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { Expectations } from '../expectations.ts';
import { indexByController, orphanPods, podsControlledBy } from '../pod-indexes.ts';
import { controllerOf, isPodActive, isPodOver, type Pod, type ReplicaSet, resources } from '../resources.ts';
import { createPods, deletePods } from './pod-control.ts';
import { podsToDelete } from './pods-to-delete.ts';
import { nextAvailabilityMs, statusOf, writeStatus } from './replicaset-status.ts';

/** No sync creates or deletes more than this at once; the next sync goes on. Upstream's number. */
const burstReplicas = 500;

export function replicaSetController(context: ControllerContext): Controller {
  const { client, informers, clock, recorder } = context;
  const replicaSets = informers.informer<ReplicaSet>(resources.replicasets);
  const pods = informers.informer<Pod>(resources.pods);
  const queue = context.newQueue('replicaset');
  const expectations = new Expectations(clock);

  replicaSets.addIndex('namespace', (rs) => [rs.metadata.namespace!]);
  replicaSets.addIndex('uid', (rs) => [rs.metadata.uid!]);
  indexByController(pods);

  const enqueue = (rs: ReplicaSet) => queue.add(objectKey(rs));
  replicaSets.addHandler({
    added: enqueue,
    updated: enqueue,
    deleted: (rs) => {
      expectations.forget(objectKey(rs));
      enqueue(rs);
    },
  });
  pods.addHandler({
    added: (pod) => {
      const owner = ownerOf(pod);
      if (pod.metadata.deletionTimestamp) observeDeletion(pod);
      else if (owner) expectations.creationObserved(objectKey(owner));
      enqueueInterested(pod);
    },
    updated: (pod, old) => {
      if (pod.metadata.deletionTimestamp) observeDeletion(pod);
      const hasMoved = controllerOf(old)?.uid !== controllerOf(pod)?.uid;
      if (hasMoved && controllerOf(old)) enqueueInterested(old);
      const isLabelled = JSON.stringify(old.metadata.labels) !== JSON.stringify(pod.metadata.labels);
      if (controllerOf(pod) || hasMoved || isLabelled) enqueueInterested(pod);
    },
    deleted: (pod) => {
      observeDeletion(pod);
      if (controllerOf(pod)) enqueueInterested(pod);
    },
  });

  function ownerOf(pod: Pod): ReplicaSet | undefined {
    const controller = controllerOf(pod);
    return controller?.kind === 'ReplicaSet' ? replicaSets.byIndex('uid', controller.uid)[0] : undefined;
  }

  function observeDeletion(pod: Pod): void {
    const owner = ownerOf(pod);
    if (owner) expectations.deletionObserved(objectKey(owner), pod.metadata.uid!);
  }

  /** Its owner; for an orphan, every ReplicaSet that might adopt it. */
  function enqueueInterested(pod: Pod): void {
    const owner = ownerOf(pod);
    if (owner) enqueue(owner);
    if (owner || controllerOf(pod)) return;
    for (const rs of replicaSets.byIndex('namespace', pod.metadata.namespace!)) {
      if (matchesLabels(labelSelectorFromObject(rs.spec.selector), pod.metadata.labels)) enqueue(rs);
    }
  }

  async function sync(key: string): Promise<number | undefined> {
    const rs = replicaSets.get(key);
    if (!rs) return undefined;
    // Before the pods are counted: what is observed in between may be missing from the count.
    const unmetMs = expectations.lapsesInMs(key);
    const candidates = [...podsControlledBy(pods, rs.metadata.uid!), ...orphanPods(pods, rs.metadata.namespace!)];
    const claimed = await claim(
      candidates.filter((pod) => !isPodOver(pod)),
      {
        client,
        owner: rs,
        ownerResource: resources.replicasets,
        childResource: resources.pods,
        selector: labelSelectorFromObject(rs.spec.selector),
      },
    );
    const active = claimed.filter(isPodActive);
    let failure: unknown;
    if (unmetMs === undefined && !rs.metadata.deletionTimestamp) {
      try {
        await manageReplicas(rs, active);
      } catch (error) {
        failure = error;
      }
    }
    const status = statusOf(rs, { active, terminating: claimed.length - active.length }, failure, clock.now());
    await writeStatus(client, rs, status);
    if (failure) throw failure;
    return unmetMs ?? nextAvailabilityMs(rs, active, clock.now());
  }

  async function manageReplicas(rs: ReplicaSet, active: readonly Pod[]): Promise<void> {
    const excess = active.length - (rs.spec.replicas ?? 1);
    const count = Math.min(Math.abs(excess), burstReplicas);
    const control = { client, recorder, expectations };
    if (excess < 0) await createPods(rs, count, control);
    else if (excess > 0) await deletePods(rs, podsToDelete(active, siblingsOf(rs), count, clock.now()), control);
  }

  /** Active pods of ReplicaSets with the same owner: where a node has many of them, ours go first. */
  function siblingsOf(rs: ReplicaSet): Pod[] {
    const owner = controllerOf(rs);
    const related = owner
      ? replicaSets
          .byIndex('namespace', rs.metadata.namespace!)
          .filter((other) => controllerOf(other)?.uid === owner.uid)
      : [rs];
    return related.flatMap((other) => podsControlledBy(pods, other.metadata.uid!)).filter(isPodActive);
  }

  return {
    name: 'replicaset-controller',
    async run(signal) {
      await cachesSynced(signal, replicaSets, pods);
      await queue.process(context.options.concurrentSyncs, sync, signal);
    },
  };
}
