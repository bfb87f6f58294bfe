import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Answer, startTestServer, type TestServer } from '../testing/fixtures.ts';

let t: TestServer;
before(async () => {
  t = await startTestServer();
});
after(() => t.stop());

const merge = { 'content-type': 'application/merge-patch+json' };
let count = 0;

/** A running pod `p` in a namespace of its own, and a budget that covers it with this status. */
async function guarded(status: object, spec: object = {}): Promise<string> {
  const namespace = `ns-${++count}`;
  await t.h2('POST', `/api/v1/namespaces/${namespace}/pods`, {
    body: {
      metadata: { name: 'p', labels: { app: 'x' } },
      spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
    },
  });
  const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  await t.h2('PATCH', `/api/v1/namespaces/${namespace}/pods/p/status`, { body: { status: ready }, headers: merge });
  const budgets = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;
  const selector = { matchLabels: { app: 'x' } };
  await t.h2('POST', budgets, { body: { metadata: { name: 'b' }, spec: { minAvailable: 1, selector, ...spec } } });
  await t.h2('PATCH', `${budgets}/b/status`, { body: { status }, headers: merge });
  return namespace;
}

function evict(namespace: string, options?: object): Promise<Answer> {
  const body = { metadata: { name: 'p' }, ...(options ? { deleteOptions: options } : {}) };
  return t.h2('POST', `/api/v1/namespaces/${namespace}/pods/p/eviction`, { body });
}
const podOf = async (namespace: string) => (await t.h2('GET', `/api/v1/namespaces/${namespace}/pods/p`)).body;

test('eviction: a budget that is used up: 429, and the pod stays', async () => {
  const ns = await guarded({ observedGeneration: 1, disruptionsAllowed: 0, desiredHealthy: 1, currentHealthy: 1 });
  const answer = await evict(ns);
  assert.equal(answer.status, 429, answer.text);
  assert.deepEqual(answer.body.details.causes, [
    { reason: 'DisruptionBudget', message: 'The disruption budget b needs 1 healthy pods and has 1 currently' },
  ]);
  assert.equal((await podOf(ns)).metadata.deletionTimestamp, undefined);
});

test('eviction: a budget nobody has counted yet: 429, come again', async () => {
  const answer = await evict(await guarded({ observedGeneration: 0, disruptionsAllowed: 5 }));
  assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '10']);
});

test('eviction: a budget with room: charged once, the pod marked and deleted; a dry run does neither', async () => {
  const ns = await guarded({ observedGeneration: 1, disruptionsAllowed: 1, desiredHealthy: 1, currentHealthy: 2 });
  const budget = async () => (await t.h2('GET', `/apis/policy/v1/namespaces/${ns}/poddisruptionbudgets/b`)).body.status;
  assert.equal((await evict(ns, { dryRun: ['All'] })).status, 201);
  assert.equal((await budget()).disruptionsAllowed, 1);
  assert.equal((await podOf(ns)).metadata.deletionTimestamp, undefined);
  assert.equal((await evict(ns)).status, 201);
  const { disruptionsAllowed, disruptedPods } = await budget();
  assert.deepEqual([disruptionsAllowed, Object.keys(disruptedPods)], [0, ['p']]);
  const pod = await podOf(ns);
  assert.ok(pod.metadata.deletionTimestamp);
  assert.equal(pod.status.conditions.at(-1).reason, 'EvictionByEvictionAPI');
});

test('eviction: a pod that is not ready: may go where the others are enough', async () => {
  for (const [currentHealthy, code] of [
    [1, 201],
    [0, 429],
  ] as const) {
    const ns = await guarded({ observedGeneration: 1, disruptionsAllowed: 0, desiredHealthy: 1, currentHealthy });
    const unready = { status: { conditions: [{ type: 'Ready', status: 'False' }] } };
    await t.h2('PATCH', `/api/v1/namespaces/${ns}/pods/p/status`, { body: unready, headers: merge });
    assert.equal((await evict(ns)).status, code);
  }
});
