/** Keeps as many pods as a ReplicaSet asks for. */
import { labelSelectorFromObject } from '#apimachinery/selector/labels.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import { objectKey } from '#client/informer.ts';
import { claim, ownerReference } from '../adoption.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { Expectations } from '../expectations.ts';
import { controllerOf, isPodActive, isPodAvailable, type Pod, type ReplicaSet, resources } from '../resources.ts';
import { podsToDelete } from './pods-to-delete.ts';
import { statusOf, writeStatus } from './replicaset-status.ts';

/** No sync creates or deletes more than this at once; the next sync goes on. Upstream's number. */
const burstReplicas = 500;
const byOwner = 'controllerUid';

export function replicaSetController(context: ControllerContext): Controller {
  const { client, informers, clock, recorder } = context;
  const replicaSets = informers.informer<ReplicaSet>(resources.replicasets);
  const pods = informers.informer<Pod>(resources.pods);
  const queue = context.newQueue('replicaset');
  const expectations = new Expectations(clock);

  replicaSets.addIndex('namespace', (rs) => [rs.metadata.namespace!]);
  replicaSets.addIndex('uid', (rs) => [rs.metadata.uid!]);
  pods.addIndex('namespace', (pod) => [pod.metadata.namespace!]);
  pods.addIndex(byOwner, (pod) => (controllerOf(pod)?.kind === 'ReplicaSet' ? [controllerOf(pod)!.uid] : []));

  replicaSets.addHandler({
    added: (rs) => queue.add(objectKey(rs)),
    updated: (rs) => queue.add(objectKey(rs)),
    deleted: (rs) => {
      expectations.forget(objectKey(rs));
      queue.add(objectKey(rs));
    },
  });
  pods.addHandler({
    added: (pod) => {
      const owner = ownerOf(pod);
      if (owner && !pod.metadata.deletionTimestamp) expectations.creationObserved(objectKey(owner));
      enqueueInterested(pod);
    },
    updated: (pod, old) => {
      if (pod.metadata.deletionTimestamp) observeDeletion(pod);
      if (controllerOf(old)?.uid !== controllerOf(pod)?.uid) enqueueInterested(old);
      enqueueInterested(pod);
    },
    deleted: (pod) => {
      observeDeletion(pod);
      enqueueInterested(pod);
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
    if (owner) queue.add(objectKey(owner));
    if (owner || controllerOf(pod)) return;
    for (const rs of replicaSets.byIndex('namespace', pod.metadata.namespace!)) queue.add(objectKey(rs));
  }

  async function sync(key: string): Promise<number | undefined> {
    const rs = replicaSets.get(key);
    if (!rs) return undefined;
    const isSettled = expectations.satisfied(key);
    const selector = labelSelectorFromObject(rs.spec.selector);
    const candidates = [
      ...pods.byIndex(byOwner, rs.metadata.uid!),
      ...pods.byIndex('namespace', rs.metadata.namespace!).filter((pod) => !controllerOf(pod)),
    ].filter(isPodActive);
    const owned = await claim(candidates, {
      client,
      owner: rs,
      ownerResource: resources.replicasets,
      childResource: resources.pods,
      selector,
    });
    let failure: unknown;
    if (isSettled && !rs.metadata.deletionTimestamp) {
      try {
        await manageReplicas(key, rs, owned);
      } catch (error) {
        failure = error;
      }
    }
    const status = statusOf(rs, owned, failure, clock.now());
    await writeStatus(client, rs, status);
    if (failure) throw failure;
    return nextAvailability(rs, owned);
  }

  async function manageReplicas(key: string, rs: ReplicaSet, owned: readonly Pod[]): Promise<void> {
    const diff = owned.length - (rs.spec.replicas ?? 1);
    if (diff < 0) await createPods(key, rs, Math.min(-diff, burstReplicas));
    else if (diff > 0)
      await deletePods(key, rs, podsToDelete(owned, siblingsOf(rs), Math.min(diff, burstReplicas), clock.now()));
  }

  /** In batches of 1, 2, 4, …: when the first is refused (quota), the rest are not tried in vain. */
  async function createPods(key: string, rs: ReplicaSet, count: number): Promise<void> {
    expectations.expectCreations(key, count);
    let left = count;
    for (let batch = 1; left > 0; batch = Math.min(batch * 2, left)) {
      const size = Math.min(batch, left);
      const results = await Promise.allSettled(Array.from({ length: size }, () => createPod(rs)));
      left -= size;
      const failed = results.filter((r) => r.status === 'rejected');
      for (let i = 0; i < failed.length; i++) expectations.creationObserved(key);
      if (failed.length > 0) {
        for (let i = 0; i < left; i++) expectations.creationObserved(key);
        // The namespace is going away: nothing can be created, and nothing needs to be.
        if (isTerminating(failed[0]!.reason)) return;
        throw failed[0]!.reason;
      }
    }
  }

  async function createPod(rs: ReplicaSet): Promise<void> {
    const { template } = rs.spec;
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        generateName: `${rs.metadata.name}-`,
        namespace: rs.metadata.namespace,
        ...(template.metadata?.labels ? { labels: template.metadata.labels } : {}),
        ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
        ...(template.metadata?.finalizers ? { finalizers: template.metadata.finalizers } : {}),
        ownerReferences: [ownerReference(rs)],
      },
      spec: template.spec,
    } as unknown as Pod;
    try {
      const created = await client.resource<Pod>(resources.pods, rs.metadata.namespace).create(pod);
      recorder.event(rs, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
    } catch (error) {
      if (!isTerminating(error)) recorder.event(rs, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
      throw error;
    }
  }

  async function deletePods(key: string, rs: ReplicaSet, victims: readonly Pod[]): Promise<void> {
    expectations.expectDeletions(
      key,
      victims.map((pod) => pod.metadata.uid!),
    );
    const api = client.resource(resources.pods, rs.metadata.namespace);
    const results = await Promise.allSettled(
      victims.map(async (pod) => {
        try {
          await api.delete(pod.metadata.name!, { preconditions: { uid: pod.metadata.uid! } });
          recorder.event(rs, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
        } catch (error) {
          expectations.deletionObserved(key, pod.metadata.uid!);
          if (isStatusError(error, 'NotFound')) return;
          recorder.event(rs, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
          throw error;
        }
      }),
    );
    const failed = results.find((r) => r.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** Active pods of ReplicaSets with the same owner: where a node has many of them, ours go first. */
  function siblingsOf(rs: ReplicaSet): Pod[] {
    const owner = controllerOf(rs);
    if (!owner) return pods.byIndex(byOwner, rs.metadata.uid!).filter(isPodActive);
    return replicaSets
      .byIndex('namespace', rs.metadata.namespace!)
      .filter((other) => controllerOf(other)?.uid === owner.uid)
      .flatMap((other) => pods.byIndex(byOwner, other.metadata.uid!))
      .filter(isPodActive);
  }

  /** When the next pod will have been ready for minReadySeconds, in ms from now. */
  function nextAvailability(rs: ReplicaSet, owned: readonly Pod[]): number | undefined {
    const seconds = rs.spec.minReadySeconds ?? 0;
    if (seconds === 0) return undefined;
    const isWaiting = owned.some(
      (pod) => isPodAvailable(pod, 0, clock.now()) && !isPodAvailable(pod, seconds, clock.now()),
    );
    return isWaiting ? seconds * 1000 : undefined;
  }

  return {
    name: 'replicaset-controller',
    run: (signal) => queue.process(context.options.concurrentSyncs, sync, signal),
  };
}

function isTerminating(error: unknown): boolean {
  return isStatusError(error) && (error.status.details?.causes ?? []).some((c) => c.reason === 'NamespaceTerminating');
}
