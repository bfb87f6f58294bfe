import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '#apimachinery/status-error.ts';
import { replicaSetController } from '../replicaset/replicaset-controller.ts';
import { type Deployment, isPodActive, isPodReady, type Pod, type ReplicaSet, resources } from '../resources.ts';
import { type Bench, type BenchOptions, bench, deployment, kubelet, template } from '../testing/fixtures.ts';
import { deploymentController } from './deployment-controller.ts';

const key = 'default/web';
const merge = 'application/merge-patch+json';
const start = (options?: BenchOptions) => bench([deploymentController, replicaSetController], options);
const theDeployment = (b: Bench) => b.get<Deployment>(resources.deployments, key)!;
const patch = (b: Bench, change: object) => b.of<Deployment>(resources.deployments).patch('web', merge, change);
const setImage = (b: Bench, image: string) => patch(b, { spec: { template: template(image) } });
const imageOf = (rs: ReplicaSet) => (rs.spec.template.spec['containers'] as { image: string }[])[0]!.image;
const replicaSets = (b: Bench) => b.list<ReplicaSet>(resources.replicasets);
/** `app:1 3`: image and replicas of each ReplicaSet, by image. */
const sizes = (b: Bench) =>
  replicaSets(b)
    .map((rs) => `${imageOf(rs)} ${rs.spec.replicas}`)
    .sort();
const setOf = (b: Bench, image: string) => replicaSets(b).find((rs) => imageOf(rs) === image)!;
const condition = (b: Bench, type: string) => {
  const found = theDeployment(b).status?.conditions?.find((c) => c.type === type);
  return found && `${found.status} ${found.reason}`;
};
const revision = (object: Deployment | ReplicaSet) =>
  object.metadata.annotations?.['deployment.kubernetes.io/revision'];

/** Until nothing is left to do for kubelet or controllers. */
async function settle(b: Bench, tend = kubelet(b)): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await b.pass(2000);
    if ((await tend()) === 0) return;
  }
  assert.fail('never at rest');
}

async function rolledOut(spec: Partial<Deployment['spec']> = {}, options?: BenchOptions): Promise<Bench> {
  const b = await start(options);
  await b.of(resources.deployments).create(deployment('web', spec));
  await settle(b);
  return b;
}

test('deployment: made: a ReplicaSet with its hash, revision and size, and a status', async () => {
  const b = await rolledOut();
  const [rs] = replicaSets(b);
  const hash = rs!.metadata.labels!['pod-template-hash']!;
  assert.equal(rs!.metadata.name, `web-${hash}`);
  assert.deepEqual(rs!.spec.selector.matchLabels, { app: 'web', 'pod-template-hash': hash });
  assert.deepEqual(rs!.spec.template.metadata!.labels, { app: 'web', 'pod-template-hash': hash });
  assert.deepEqual(rs!.metadata.annotations, {
    'deployment.kubernetes.io/revision': '1',
    'deployment.kubernetes.io/desired-replicas': '3',
    'deployment.kubernetes.io/max-replicas': '4',
  });
  assert.equal(revision(theDeployment(b)), '1');
  const { conditions, ...counts } = theDeployment(b).status!;
  assert.deepEqual(counts, {
    observedGeneration: 1,
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    terminatingReplicas: 0,
  });
  assert.equal(condition(b, 'Available'), 'True MinimumReplicasAvailable');
  assert.equal(condition(b, 'Progressing'), 'True NewReplicaSetAvailable');
  assert.equal(conditions!.length, 2);
  assert.ok(b.events.includes(`Normal ScalingReplicaSet Scaled up replica set web-${hash} from 0 to 3`));
  await b.stop();
});

test('deployment: at rest: no request', async () => {
  const b = await rolledOut();
  b.client.actions.length = 0;
  await b.pass(30 * 60_000);
  assert.deepEqual(b.client.actions, []);
  await b.stop();
});

for (const [maxSurge, maxUnavailable] of [
  [1, 0],
  [0, 1],
  [2, 3],
  ['25%', '25%'],
] as const) {
  test(`deployment: rolling, surge ${maxSurge}, unavailable ${maxUnavailable}: within both bounds at every event`, async () => {
    const rollingUpdate = { maxSurge, maxUnavailable };
    const b = await rolledOut({ replicas: 8, strategy: { type: 'RollingUpdate', rollingUpdate } });
    const [surge, unavailable] = maxSurge === '25%' ? [2, 2] : [maxSurge, maxUnavailable as number];
    let most = 0;
    let fewest = 8;
    b.client.intercept = () => {
      const pods = b.list<Pod>(resources.pods).filter(isPodActive);
      most = Math.max(most, pods.length);
      fewest = Math.min(fewest, pods.filter(isPodReady).length);
    };
    await setImage(b, 'app:2');
    const tend = kubelet(b);
    // One pod at a time becomes ready.
    await settle(b, () => tend(1));
    assert.deepEqual(sizes(b), ['app:1 0', 'app:2 8']);
    assert.ok(most <= 8 + surge && fewest >= 8 - unavailable, `${most} pods, ${fewest} ready`);
    assert.ok(most > 8 || fewest < 8, 'it did roll');
    assert.equal(condition(b, 'Progressing'), 'True NewReplicaSetAvailable');
    await b.stop();
  });
}

test('deployment: the template put back: the old ReplicaSet again, under a new revision', async () => {
  const b = await rolledOut();
  const first = setOf(b, 'app:1').metadata.uid;
  await setImage(b, 'app:2');
  await settle(b);
  await setImage(b, 'app:1');
  await settle(b);
  assert.deepEqual(sizes(b), ['app:1 3', 'app:2 0']);
  const rs = setOf(b, 'app:1');
  assert.equal(rs.metadata.uid, first);
  assert.equal(revision(rs), '3');
  assert.equal(rs.metadata.annotations!['deployment.kubernetes.io/revision-history'], '1');
  assert.equal(revision(theDeployment(b)), '3');
  await b.stop();
});

test('deployment: annotations: copied to the current ReplicaSet only, so that old ones keep their cause', async () => {
  const b = await rolledOut();
  const cause = (text: string) => ({ metadata: { annotations: { 'kubernetes.io/change-cause': text } } });
  await patch(b, cause('first'));
  await settle(b);
  await patch(b, { ...cause('second'), spec: { template: template('app:2') } });
  await settle(b);
  assert.equal(setOf(b, 'app:1').metadata.annotations!['kubernetes.io/change-cause'], 'first');
  assert.equal(setOf(b, 'app:2').metadata.annotations!['kubernetes.io/change-cause'], 'second');
  await b.stop();
});

test('deployment: revisionHistoryLimit: the oldest go when the rollout is done', async () => {
  const b = await rolledOut({ revisionHistoryLimit: 1 });
  for (const image of ['app:2', 'app:3', 'app:4']) {
    await setImage(b, image);
    await settle(b);
  }
  assert.deepEqual(sizes(b), ['app:3 0', 'app:4 3']);
  await b.stop();
});

test('deployment: paused: a new template waits, scaling does not, resuming goes on', async () => {
  const b = await rolledOut();
  await patch(b, { spec: { paused: true, template: template('app:2') } });
  await settle(b);
  assert.deepEqual(sizes(b), ['app:1 3']);
  assert.equal(condition(b, 'Progressing'), 'Unknown DeploymentPaused');
  await patch(b, { spec: { replicas: 5 } });
  await settle(b);
  assert.deepEqual(sizes(b), ['app:1 5']);
  await patch(b, { spec: { paused: false } });
  await settle(b);
  assert.deepEqual(sizes(b), ['app:1 0', 'app:2 5']);
  assert.equal(condition(b, 'Progressing'), 'True NewReplicaSetAvailable');
  await b.stop();
});

test('deployment: Recreate: no new pod before the last old one is gone', async () => {
  const b = await rolledOut({ strategy: { type: 'Recreate' } }, { isGraceful: (o) => o.kind === 'Pod' });
  let isMixed = false;
  b.client.intercept = () => {
    const old = setOf(b, 'app:1').metadata.uid;
    const owners = b.list<Pod>(resources.pods).map((p) => p.metadata.ownerReferences![0]!.uid === old);
    isMixed ||= owners.includes(true) && owners.includes(false);
  };
  await setImage(b, 'app:2');
  await b.pass(60_000);
  assert.deepEqual(sizes(b), ['app:1 0']);
  assert.equal(b.list(resources.pods).length, 3);
  const tend = kubelet(b);
  await settle(b, () => tend(1));
  assert.deepEqual(sizes(b), ['app:1 0', 'app:2 3']);
  assert.equal(isMixed, false);
  await b.stop();
});

test('deployment: no progress: said after the deadline, and a new template is a new chance', async () => {
  const b = await rolledOut({ progressDeadlineSeconds: 60 });
  const stuck = kubelet(b, { isReady: () => false });
  await setImage(b, 'app:2');
  await b.pass(50_000);
  await stuck();
  assert.match(condition(b, 'Progressing')!, /^True/);
  await b.pass(65_000);
  assert.equal(condition(b, 'Progressing'), 'False ProgressDeadlineExceeded');
  assert.equal(condition(b, 'Available'), 'True MinimumReplicasAvailable');
  await setImage(b, 'app:3');
  await b.pass(1000);
  assert.match(condition(b, 'Progressing')!, /^True/);
  await settle(b);
  assert.equal(condition(b, 'Progressing'), 'True NewReplicaSetAvailable');
  await b.stop();
});

test('deployment: pods lost after a finished rollout: unavailable, but not failing to progress', async () => {
  const b = await rolledOut({ progressDeadlineSeconds: 60 });
  for (const pod of b.list<Pod>(resources.pods)) await b.of(resources.pods).delete(pod.metadata.name!);
  await b.pass(10 * 60_000);
  assert.equal(condition(b, 'Available'), 'False MinimumReplicasUnavailable');
  assert.equal(condition(b, 'Progressing'), 'True NewReplicaSetAvailable');
  await b.stop();
});

test('deployment: another ReplicaSet has the name: the hash changes, the other is let be', async () => {
  const b = await rolledOut();
  const [rs] = replicaSets(b);
  await b.of(resources.deployments).delete('web');
  await b.of<ReplicaSet>(resources.replicasets).patch(rs!.metadata.name!, merge, {
    metadata: { ownerReferences: [], labels: { app: 'other' } },
    spec: { selector: { matchLabels: { app: 'other' } }, template: { metadata: { labels: { app: 'other' } } } },
  });
  await b.of(resources.deployments).create(deployment('web'));
  await settle(b);
  assert.equal(theDeployment(b).status!.collisionCount, 1);
  assert.equal(replicaSets(b).length, 2);
  assert.equal(theDeployment(b).status!.availableReplicas, 3);
  b.client.actions.length = 0;
  await b.pass(60_000);
  assert.deepEqual(b.writes(), []);
  await b.stop();
});

test('deployment: scaled in mid-rollout: old and new share the change', async () => {
  const rollingUpdate = { maxSurge: 3, maxUnavailable: 2 };
  const b = await rolledOut({ replicas: 10, strategy: { type: 'RollingUpdate', rollingUpdate } });
  await setImage(b, 'app:2');
  await b.pass(5000);
  assert.deepEqual(sizes(b), ['app:1 8', 'app:2 5']);
  await patch(b, { spec: { replicas: 15 } });
  await b.pass(5000);
  assert.deepEqual(sizes(b), ['app:1 11', 'app:2 7']);
  await settle(b);
  assert.deepEqual(sizes(b), ['app:1 0', 'app:2 15']);
  await b.stop();
});

test('deployment: scaled to zero and back: nothing is left, then all is', async () => {
  const b = await rolledOut();
  await patch(b, { spec: { replicas: 0 } });
  await settle(b);
  assert.deepEqual([sizes(b), b.list(resources.pods).length], [['app:1 0'], 0]);
  await patch(b, { spec: { replicas: 2 } });
  await settle(b);
  assert.deepEqual(sizes(b), ['app:1 2']);
  await b.stop();
});

test('deployment: deleted after its dependents: nothing more is rolled out', async () => {
  const b = await rolledOut();
  await b.of(resources.deployments).delete('web', { propagationPolicy: 'Foreground' });
  await b.of(resources.replicasets).delete(replicaSets(b)[0]!.metadata.name!);
  await b.pass(10_000);
  assert.deepEqual(replicaSets(b), []);
  await b.stop();
});

test('deployment: pods are refused: the failure stands in its conditions until it is over', async () => {
  const b = await rolledOut();
  b.client.intercept = ({ verb, gvr }) => {
    if (verb !== 'create' || gvr.resource !== 'pods') return;
    throw new StatusError({ code: 403, reason: 'Forbidden', message: 'exceeded quota' });
  };
  await patch(b, { spec: { replicas: 5 } });
  await b.pass(5000);
  assert.equal(condition(b, 'ReplicaFailure'), 'True FailedCreate');
  b.client.intercept = undefined;
  await b.pass(60_000);
  await settle(b);
  assert.equal(condition(b, 'ReplicaFailure'), undefined);
  await b.stop();
});

test('deployment: its ReplicaSet is refused: event and condition say why', async () => {
  const b = await start({
    intercept: ({ verb, gvr }) => {
      if (verb !== 'create' || gvr.resource !== 'replicasets') return;
      throw new StatusError({ code: 422, reason: 'Invalid', message: 'no such field' });
    },
  });
  await b.of(resources.deployments).create(deployment('web'));
  await b.pass();
  assert.equal(condition(b, 'Progressing'), 'False ReplicaSetCreateError');
  assert.match(b.events[0]!, /^Warning ReplicaSetCreateError .*no such field/);
  b.client.intercept = undefined;
  await b.pass(10_000);
  await settle(b);
  assert.equal(condition(b, 'Progressing'), 'True NewReplicaSetAvailable');
  await b.stop();
});

test('deployment: an orphaned ReplicaSet of its own template: adopted with its pods', async () => {
  const b = await rolledOut();
  const pods = b
    .list<Pod>(resources.pods)
    .map((p) => p.metadata.uid)
    .sort();
  const name = replicaSets(b)[0]!.metadata.name!;
  await b.of(resources.deployments).delete('web');
  await b.of(resources.replicasets).patch(name, merge, { metadata: { ownerReferences: [] } });
  await b.pass();
  await b.of(resources.deployments).create(deployment('web'));
  await settle(b);
  assert.equal(replicaSets(b).length, 1);
  assert.equal(replicaSets(b)[0]!.metadata.ownerReferences![0]!.uid, theDeployment(b).metadata.uid);
  assert.deepEqual(
    b
      .list<Pod>(resources.pods)
      .map((p) => p.metadata.uid)
      .sort(),
    pods,
  );
  await b.stop();
});
