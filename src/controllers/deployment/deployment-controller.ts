/**
 * Rolls a Deployment's template out through ReplicaSets. The story of one sync: claim the ReplicaSets, find or make the
 * one of the current template, move replicas between new and old as the strategy allows, tidy up, write the status.
 */
import { semanticDeepEqual } from '#apimachinery/deep-equal.ts';
import { labelSelectorFromObject } from '#apimachinery/selector/labels.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { messageOf } from '#base/errors.ts';
import { objectKey } from '#client/informer.ts';
import { claim } from '../adoption.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { isNamespaceTerminating } from '../namespace-terminating.ts';
import { indexByController, podsControlledBy } from '../pod-indexes.ts';
import { controllerOf, type Deployment, isPodOver, type Pod, type ReplicaSet, resources } from '../resources.ts';
import { annotationKeys, annotationsOfNew, notedSize, revisionOf, withSize } from './annotations.ts';
import { type Rollout, rolloutStatus } from './deployment-status.ts';
import { createReplicaSet, findNew, findOld } from './new-replicaset.ts';
import { isComplete, progressDeadlineMs } from './progress.ts';
import { desiredReplicas, type ScaleStep, scaleProportionally, stepsOf } from './rollout.ts';

export function deploymentController(context: ControllerContext): Controller {
  const { client, informers, clock, recorder } = context;
  const deployments = informers.informer<Deployment>(resources.deployments);
  const replicaSets = informers.informer<ReplicaSet>(resources.replicasets);
  const pods = informers.informer<Pod>(resources.pods);
  const queue = context.newQueue('deployment');

  deployments.addIndex('namespace', (d) => [d.metadata.namespace!]);
  deployments.addIndex('uid', (d) => [d.metadata.uid!]);
  replicaSets.addIndex('namespace', (rs) => [rs.metadata.namespace!]);
  replicaSets.addIndex('uid', (rs) => [rs.metadata.uid!]);
  indexByController(pods);

  const enqueue = (d: Deployment) => queue.add(objectKey(d));
  deployments.addHandler({ added: enqueue, updated: enqueue });
  replicaSets.addHandler({
    added: enqueueOwner,
    updated: (rs, old) => {
      if (controllerOf(old) && controllerOf(old)?.uid !== controllerOf(rs)?.uid) enqueueOwner(old);
      enqueueOwner(rs);
    },
    deleted: enqueueOwner,
  });
  // Recreate waits for the last old pod to be gone.
  pods.addHandler({
    deleted: (pod) => {
      const rs = replicaSets.byIndex('uid', controllerOf(pod)?.uid ?? '')[0];
      const deployment = rs && deployments.byIndex('uid', controllerOf(rs)?.uid ?? '')[0];
      if (deployment?.spec.strategy?.type === 'Recreate') enqueue(deployment);
    },
  });

  function enqueueOwner(rs: ReplicaSet): void {
    const owner = controllerOf(rs);
    const interested = owner
      ? deployments.byIndex('uid', owner.uid)
      : deployments.byIndex('namespace', rs.metadata.namespace!);
    for (const deployment of interested) enqueue(deployment);
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
    const still = { all: owned, current: findNew(deployment, owned), isRolling: false };
    if (deployment.metadata.deletionTimestamp) return writeStatus(deployment, still);
    if (deployment.spec.paused || isScaled(deployment, owned)) {
      await scale(deployment, owned, still.current);
      if (deployment.spec.paused) await cleanUp(deployment, findOld(deployment, owned));
      return writeStatus(deployment, still);
    }
    return rollOut(deployment, owned);
  }

  /** The Deployment's replicas were changed since its ReplicaSets were last scaled. */
  function isScaled(deployment: Deployment, owned: readonly ReplicaSet[]): boolean {
    return owned.some(
      (rs) => desiredReplicas(rs) > 0 && (notedSize(rs)?.desired ?? wanted(deployment)) !== wanted(deployment),
    );
  }

  async function rollOut(deployment: Deployment, owned: readonly ReplicaSet[]): Promise<number | undefined> {
    const isRecreate = deployment.spec.strategy?.type === 'Recreate';
    if (isRecreate) {
      const old = findOld(deployment, owned);
      const steps = old.filter((rs) => desiredReplicas(rs) > 0).map((replicaSet) => ({ replicaSet, replicas: 0 }));
      await applySteps(deployment, steps);
      if (steps.length > 0 || hasPods(old)) {
        return writeStatus(deployment, { all: owned, current: findNew(deployment, owned), isRolling: true });
      }
    }
    const found = await ensureNew(deployment, owned);
    const current = found.replicaSet;
    const all = [...owned.filter((rs) => rs.metadata.uid !== current.metadata.uid), current];
    const old = findOld(deployment, all);
    await applySteps(
      found.deployment,
      isRecreate ? [{ replicaSet: current, replicas: wanted(deployment) }] : stepsOf(deployment, current, old),
    );
    const rollout = { all, current, isCreated: found.isCreated, isRolling: true };
    if (isComplete(deployment, rolloutStatus(deployment, rollout, clock.now()))) await cleanUp(deployment, old);
    return writeStatus(found.deployment, rollout);
  }

  /** By the pods themselves too: the ReplicaSets' status leaves out those that are stopping. */
  function hasPods(old: readonly ReplicaSet[]): boolean {
    return old.some(
      (rs) => (rs.status?.replicas ?? 0) > 0 || podsControlledBy(pods, rs.metadata.uid!).some((pod) => !isPodOver(pod)),
    );
  }

  /** The ReplicaSet of the current template, made if there is none, with its annotations brought up to date. */
  async function ensureNew(deployment: Deployment, all: readonly ReplicaSet[]) {
    const existing = findNew(deployment, all);
    const old = findOld(deployment, all);
    const revision = Math.max(0, ...old.map(revisionOf)) + 1;
    const made = existing
      ? { replicaSet: await refresh(deployment, existing, revision), isCreated: false }
      : await create(deployment, old, revision);
    return { ...made, deployment: await copyRevision(deployment, revisionOf(made.replicaSet)) };
  }

  async function create(deployment: Deployment, old: readonly ReplicaSet[], revision: number) {
    const isRecreate = deployment.spec.strategy?.type === 'Recreate';
    const replicas = isRecreate ? wanted(deployment) : (stepsOf(deployment, undefined, old)[0]?.replicas ?? 0);
    try {
      const made = await createReplicaSet(client, deployment, replicas, annotationsOfNew(deployment, revision));
      if (made.isCreated && replicas > 0) scaledEvent(deployment, made.replicaSet, 0, replicas);
      return made;
    } catch (error) {
      if (isStatusError(error, 'AlreadyExists') || isNamespaceTerminating(error)) throw error;
      const createError = `Failed to create new replica set: ${messageOf(error)}`;
      recorder.event(deployment, 'Warning', 'ReplicaSetCreateError', createError);
      await writeStatus(deployment, { all: old, current: undefined, createError, isRolling: true });
      throw error;
    }
  }

  async function refresh(deployment: Deployment, rs: ReplicaSet, revision: number): Promise<ReplicaSet> {
    const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
    const annotations = annotationsOfNew(deployment, revision, rs.metadata.annotations);
    if ((rs.spec.minReadySeconds ?? 0) === minReadySeconds) return annotate(rs, annotations);
    return update({ ...rs, metadata: { ...rs.metadata, annotations }, spec: { ...rs.spec, minReadySeconds } });
  }

  async function annotate(rs: ReplicaSet, annotations: Record<string, string>): Promise<ReplicaSet> {
    if (semanticDeepEqual(annotations, rs.metadata.annotations)) return rs;
    return update({ ...rs, metadata: { ...rs.metadata, annotations } });
  }

  function update(rs: ReplicaSet): Promise<ReplicaSet> {
    return client.resource<ReplicaSet>(resources.replicasets, rs.metadata.namespace).update(rs);
  }

  async function copyRevision(deployment: Deployment, revision: number): Promise<Deployment> {
    const annotations = { ...deployment.metadata.annotations, [annotationKeys.revision]: String(revision) };
    if (semanticDeepEqual(annotations, deployment.metadata.annotations)) return deployment;
    return client
      .resource<Deployment>(resources.deployments, deployment.metadata.namespace)
      .update({ ...deployment, metadata: { ...deployment.metadata, annotations } });
  }

  async function applySteps(deployment: Deployment, steps: readonly ScaleStep[]): Promise<void> {
    for (const { replicaSet, replicas } of steps) {
      const before = desiredReplicas(replicaSet);
      if (before === replicas) continue;
      const annotations = withSize(deployment, replicaSet.metadata.annotations);
      await update({
        ...replicaSet,
        metadata: { ...replicaSet.metadata, annotations },
        spec: { ...replicaSet.spec, replicas },
      });
      scaledEvent(deployment, replicaSet, before, replicas);
    }
  }

  /** A scaling is done when all ReplicaSets know the new size, those too that kept their replicas. */
  async function scale(deployment: Deployment, owned: readonly ReplicaSet[], current: ReplicaSet | undefined) {
    const steps = scaleProportionally(deployment, current, findOld(deployment, owned));
    await applySteps(deployment, steps);
    for (const rs of owned) {
      const isStepped = steps.some((s) => s.replicaSet === rs && s.replicas !== desiredReplicas(rs));
      if (!isStepped && desiredReplicas(rs) > 0) await annotate(rs, withSize(deployment, rs.metadata.annotations));
    }
  }

  function scaledEvent(deployment: Deployment, rs: ReplicaSet, from: number, to: number): void {
    const way = to > from ? 'up' : 'down';
    const message = `Scaled ${way} replica set ${rs.metadata.name} from ${from} to ${to}`;
    recorder.event(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  /** Old ReplicaSets beyond the history limit, the oldest revisions first; those that still have pods stay. */
  async function cleanUp(deployment: Deployment, old: readonly ReplicaSet[]): Promise<void> {
    const alive = old.filter((rs) => !rs.metadata.deletionTimestamp).sort((a, b) => revisionOf(a) - revisionOf(b));
    const excess = alive.length - (deployment.spec.revisionHistoryLimit ?? 10);
    const api = client.resource(resources.replicasets, deployment.metadata.namespace);
    for (const rs of alive.slice(0, Math.max(0, excess))) {
      const isIdle = desiredReplicas(rs) === 0 && (rs.status?.replicas ?? 0) === 0;
      if (!isIdle || (rs.status?.observedGeneration ?? 0) < (rs.metadata.generation ?? 0)) continue;
      try {
        await api.delete(rs.metadata.name!, { preconditions: { uid: rs.metadata.uid! } });
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
    }
  }

  /** Gives when to look again: a rollout that makes no progress must be noticed without an event. */
  async function writeStatus(deployment: Deployment, rollout: Rollout): Promise<number | undefined> {
    const status = rolloutStatus(deployment, rollout, clock.now());
    if (!semanticDeepEqual(status, deployment.status)) {
      await client
        .resource<Deployment>(resources.deployments, deployment.metadata.namespace)
        .updateStatus({ ...deployment, status });
    }
    return progressDeadlineMs(deployment, status, clock.now());
  }

  return {
    name: 'deployment-controller',
    async run(signal) {
      await cachesSynced(signal, deployments, replicaSets, pods);
      await queue.process(context.options.concurrentSyncs, sync, signal);
    },
  };
}

function wanted(deployment: Deployment): number {
  return deployment.spec.replicas ?? 1;
}
