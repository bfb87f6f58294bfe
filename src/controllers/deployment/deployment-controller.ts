/**
 * Rolls a Deployment's template out through ReplicaSets. The story of one sync: claim the ReplicaSets, find or make the
 * one of the current template, move replicas between new and old as the strategy allows, tidy up, write the status.
 */
import { labelSelectorFromObject } from '#apimachinery/selector/labels.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { objectKey } from '#client/informer.ts';
import { claim } from '../adoption.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { controllerOf, type Deployment, isPodActive, type Pod, type ReplicaSet, resources } from '../resources.ts';
import { isComplete, rolloutStatus } from './deployment-status.ts';
import { createReplicaSet, findNew, findOld, revisionOf } from './new-replicaset.ts';
import { annotate, annotationsFor, desiredReplicas, type ScaleStep, scaleProportionally, stepsOf } from './rollout.ts';

export function deploymentController(context: ControllerContext): Controller {
  const { client, informers, clock, recorder } = context;
  const deployments = informers.informer<Deployment>(resources.deployments);
  const replicaSets = informers.informer<ReplicaSet>(resources.replicasets);
  const pods = informers.informer<Pod>(resources.pods);
  const queue = context.newQueue('deployment');

  deployments.addIndex('namespace', (d) => [d.metadata.namespace!]);
  deployments.addIndex('uid', (d) => [d.metadata.uid!]);
  replicaSets.addIndex('namespace', (rs) => [rs.metadata.namespace!]);
  pods.addIndex('controllerUid', (pod) => (controllerOf(pod)?.kind === 'ReplicaSet' ? [controllerOf(pod)!.uid] : []));

  const enqueue = (d: Deployment) => queue.add(objectKey(d));
  deployments.addHandler({ added: enqueue, updated: enqueue, deleted: enqueue });
  replicaSets.addHandler({
    added: enqueueOwner,
    updated: (rs, old) => {
      if (controllerOf(old)?.uid !== controllerOf(rs)?.uid) enqueueOwner(old);
      enqueueOwner(rs);
    },
    deleted: enqueueOwner,
  });
  // Recreate waits for the last old pod to be gone.
  pods.addHandler({
    deleted: (pod) => {
      const owner = controllerOf(pod);
      if (owner?.kind !== 'ReplicaSet') return;
      const rs = replicaSets.get(`${pod.metadata.namespace}/${owner.name}`);
      const deployment = rs && deployments.byIndex('uid', controllerOf(rs)?.uid ?? '')[0];
      if (deployment?.spec.strategy?.type === 'Recreate') enqueue(deployment);
    },
  });

  function enqueueOwner(rs: ReplicaSet): void {
    const owner = controllerOf(rs);
    if (owner) {
      const deployment = deployments.byIndex('uid', owner.uid)[0];
      if (deployment) enqueue(deployment);
      return;
    }
    for (const deployment of deployments.byIndex('namespace', rs.metadata.namespace!)) enqueue(deployment);
  }

  async function sync(key: string): Promise<number | undefined> {
    const deployment = deployments.get(key);
    if (!deployment) return undefined;
    const owned = await claim(replicaSets.byIndex('namespace', deployment.metadata.namespace!), {
      client,
      owner: deployment,
      ownerResource: resources.deployments,
      childResource: resources.replicasets,
      selector: labelSelectorFromObject(deployment.spec.selector),
    });
    if (deployment.metadata.deletionTimestamp) return writeStatus(deployment, owned);
    if (deployment.spec.paused || isScalingEvent(deployment, owned)) {
      await scaleAll(deployment, owned);
      return writeStatus(deployment, owned);
    }
    return rollOut(deployment, owned);
  }

  async function rollOut(observed: Deployment, owned: readonly ReplicaSet[]): Promise<number | undefined> {
    let deployment = observed;
    const isRecreate = deployment.spec.strategy?.type === 'Recreate';
    let all = [...owned];
    if (isRecreate) {
      const old = findOld(deployment, all);
      const scaledDown = await applySteps(
        deployment,
        old.filter((rs) => desiredReplicas(rs) > 0).map((replicaSet) => ({ replicaSet, replicas: 0 })),
      );
      if (scaledDown > 0 || hasPods(old)) return writeStatus(deployment, all);
    }
    const current = await ensureNew(deployment, all);
    deployment = await withRevision(deployment, revisionOf(current));
    all = [...all.filter((rs) => rs.metadata.uid !== current.metadata.uid), current];
    const old = findOld(deployment, all);
    const steps = isRecreate
      ? desiredReplicas(current) === wanted(deployment)
        ? []
        : [{ replicaSet: current, replicas: wanted(deployment) }]
      : stepsOf(deployment, current, old);
    await applySteps(deployment, steps);
    const fresh = refreshed(all);
    if (isComplete(deployment, rolloutStatus(deployment, fresh, current, clock.now()))) await cleanUp(deployment, old);
    return writeStatus(deployment, fresh);
  }

  function hasPods(old: readonly ReplicaSet[]): boolean {
    return old.some((rs) =>
      pods.byIndex('controllerUid', rs.metadata.uid!).some((pod) => isPodActive(pod) || pod.metadata.deletionTimestamp),
    );
  }

  /** The ReplicaSet of the current template, made if there is none, with its annotations brought up to date. */
  async function ensureNew(deployment: Deployment, all: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const existing = findNew(deployment, all);
    const old = findOld(deployment, all);
    const revision = Math.max(0, ...old.map(revisionOf)) + 1;
    let current: ReplicaSet;
    if (existing) {
      const annotations = annotationsFor(deployment, Math.max(revision, revisionOf(existing)), existing);
      current = await annotate(client, existing, annotations, deployment.spec.minReadySeconds ?? 0);
    } else {
      const [first] = stepsOf(deployment, undefined, old);
      const replicas = deployment.spec.strategy?.type === 'Recreate' ? wanted(deployment) : (first?.replicas ?? 0);
      current = await createReplicaSet(client, deployment, replicas, annotationsFor(deployment, revision, undefined));
      if (replicas > 0) {
        scaledEvent(deployment, current, 'up', 0, replicas);
      }
    }
    return current;
  }

  /** The Deployment carries the revision of its current template, for `kubectl rollout history`. */
  async function withRevision(deployment: Deployment, revision: number): Promise<Deployment> {
    const key = 'deployment.kubernetes.io/revision';
    if (deployment.metadata.annotations?.[key] === String(revision)) return deployment;
    const annotations = { ...deployment.metadata.annotations, [key]: String(revision) };
    return client
      .resource<Deployment>(resources.deployments, deployment.metadata.namespace)
      .update({ ...deployment, metadata: { ...deployment.metadata, annotations } });
  }

  /** The Deployment's replicas were changed since its ReplicaSets were last scaled. */
  function isScalingEvent(deployment: Deployment, owned: readonly ReplicaSet[]): boolean {
    if (!findNew(deployment, owned)) return false;
    return owned
      .filter((rs) => desiredReplicas(rs) > 0)
      .some((rs) => {
        const noted = rs.metadata.annotations?.['deployment.kubernetes.io/desired-replicas'];
        return noted !== undefined && Number(noted) !== wanted(deployment);
      });
  }

  async function scaleAll(deployment: Deployment, owned: readonly ReplicaSet[]): Promise<void> {
    const current = findNew(deployment, owned);
    const steps = scaleProportionally(deployment, current, findOld(deployment, owned));
    await applySteps(deployment, steps);
    const touched = new Set(steps.map((s) => s.replicaSet.metadata.uid));
    for (const rs of owned) {
      if (touched.has(rs.metadata.uid) || desiredReplicas(rs) === 0) continue;
      await annotate(client, rs, annotationsFor(deployment, revisionOf(rs), rs), undefined);
    }
  }

  async function applySteps(deployment: Deployment, steps: readonly ScaleStep[]): Promise<number> {
    for (const { replicaSet, replicas } of steps) {
      const before = desiredReplicas(replicaSet);
      const updated = structuredClone(replicaSet);
      updated.spec.replicas = replicas;
      updated.metadata.annotations = annotationsFor(deployment, revisionOf(replicaSet), replicaSet);
      await client.resource<ReplicaSet>(resources.replicasets, replicaSet.metadata.namespace).update(updated);
      if (before !== replicas) scaledEvent(deployment, replicaSet, replicas > before ? 'up' : 'down', before, replicas);
    }
    return steps.length;
  }

  function scaledEvent(deployment: Deployment, rs: ReplicaSet, way: 'up' | 'down', from: number, to: number): void {
    const message = `Scaled ${way} replica set ${rs.metadata.name} from ${from} to ${to}`;
    recorder.event(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  /** Old ReplicaSets beyond the history limit, the oldest first. */
  async function cleanUp(deployment: Deployment, old: readonly ReplicaSet[]): Promise<void> {
    const limit = deployment.spec.revisionHistoryLimit ?? 10;
    const idle = old
      .filter((rs) => !rs.metadata.deletionTimestamp && desiredReplicas(rs) === 0 && (rs.status?.replicas ?? 0) === 0)
      .filter((rs) => (rs.status?.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0))
      .sort((a, b) => revisionOf(a) - revisionOf(b));
    const api = client.resource(resources.replicasets, deployment.metadata.namespace);
    for (const rs of idle.slice(0, Math.max(0, idle.length - limit))) {
      try {
        await api.delete(rs.metadata.name!, { preconditions: { uid: rs.metadata.uid! } });
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
    }
  }

  function refreshed(all: readonly ReplicaSet[]): ReplicaSet[] {
    return all.map((rs) => replicaSets.get(objectKey(rs)) ?? rs);
  }

  /** Gives when to look again: a rollout that makes no progress must be noticed without an event. */
  async function writeStatus(deployment: Deployment, owned: readonly ReplicaSet[]): Promise<number | undefined> {
    const status = rolloutStatus(deployment, owned, findNew(deployment, owned), clock.now());
    if (JSON.stringify(status) !== JSON.stringify(deployment.status)) {
      await client
        .resource<Deployment>(resources.deployments, deployment.metadata.namespace)
        .updateStatus({ ...deployment, status });
    }
    const seconds = deployment.spec.progressDeadlineSeconds;
    const isDone = deployment.spec.paused || isComplete(deployment, status);
    return isDone || !seconds || seconds >= 2 ** 31 - 1 ? undefined : (seconds + 1) * 1000;
  }

  return {
    name: 'deployment-controller',
    run: (signal) => queue.process(context.options.concurrentSyncs, sync, signal),
  };
}

function wanted(deployment: Deployment): number {
  return deployment.spec.replicas ?? 1;
}
