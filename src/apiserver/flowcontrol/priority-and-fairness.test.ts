/** Priority and fairness over HTTP: a server with few seats, and requests that last as long as the test likes. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import flowSchemas from '#apis/facts/bootstrap/flowschemas.json' with { type: 'json' };
import priorityLevels from '#apis/facts/bootstrap/prioritylevelconfigurations.json' with { type: 'json' };
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { eventually } from '#storage/testing/fixtures.ts';
import type { ApiResponse, NonResourceHandler, UserInfo } from '../request.ts';
import {
  configMap,
  openSession,
  openWatch,
  requestHttp2,
  startedFor,
  type TestServerOptions,
} from '../testing/fixtures.ts';
import { createFlowConfiguration } from './configuration.ts';
import { createFlowControlDebug } from './debug.ts';
import { FlowControl } from './flow-control.ts';

const bootstrap = { schemas: flowSchemas.items as KubeObject[], levels: priorityLevels.items as KubeObject[] };
const flowcontrol = '/apis/flowcontrol.apiserver.k8s.io/v1';

/** A user per token: `NAME` or `masters`. */
const byToken = {
  name: 'by token',
  authenticate: ({ headers }: { headers: { authorization?: string } }): UserInfo => {
    const name = (headers.authorization ?? '').slice(7);
    return { name, groups: name === 'masters' ? ['system:masters'] : [] };
  },
};

/** `/hold` answers when it is released. */
function holding() {
  const waiting: (() => void)[] = [];
  const handler: NonResourceHandler = async ({ url }) => {
    if (url.pathname !== '/hold') return undefined;
    await new Promise<void>((resolve) => waiting.push(resolve));
    return { status: 200, body: 'held' } satisfies ApiResponse;
  };
  const releaseAll = () => {
    for (const release of waiting.splice(0)) release();
  };
  return { handler, waiting, releaseAll };
}

async function start(context: TestContext, seats: number, more: TestServerOptions = {}) {
  const hold = holding();
  const flowControl = new FlowControl(realClock, seats, bootstrap);
  const server = await startedFor(context, {
    flowControl,
    authenticators: [byToken],
    nonResourceHandlers: [hold.handler, createFlowControlDebug(flowControl)],
    ...more,
  });
  const session = openSession(server.port);
  context.after(() => session.destroy());
  const ask = (token: string, method: string, path: string, body?: unknown) =>
    requestHttp2(session, method, path, { token, ...(body === undefined ? {} : { body }) });
  return { ...server, hold, flowControl, session, ask };
}

/** Of the level of plain users: 20 shares of 245. */
const levelOf = (flowControl: FlowControl) => [...flowControl.levels].find((l) => l.name === 'global-default')!;

test('priority and fairness: the answer names its flow schema and level', async (context) => {
  const { ask, registry, flowControl } = await start(context, 600);
  const configuration = createFlowConfiguration(registry, flowControl, bootstrap, realClock, silentLogger);
  for (const object of bootstrap.levels)
    await ask('masters', 'POST', `${flowcontrol}/prioritylevelconfigurations`, object);
  for (const object of bootstrap.schemas) await ask('masters', 'POST', `${flowcontrol}/flowschemas`, object);
  await eventually(() => configuration.synced() && levelOf(flowControl).uid !== '', 'the objects are followed');
  const schema = (await ask('masters', 'GET', `${flowcontrol}/flowschemas/global-default`)).body;
  const level = (await ask('masters', 'GET', `${flowcontrol}/prioritylevelconfigurations/global-default`)).body;
  const { headers, status } = await ask('alice', 'GET', '/api/v1/namespaces/default/configmaps/none');
  assert.equal(status, 404);
  assert.equal(headers['x-kubernetes-pf-flowschema-uid'], schema.metadata.uid);
  assert.equal(headers['x-kubernetes-pf-prioritylevel-uid'], level.metadata.uid);
});

test('priority and fairness: an elephant: is queued, then refused; leaders and administrators are not', async (context) => {
  const { ask, hold, flowControl, port } = await start(context, 25);
  const level = levelOf(flowControl);
  // A connection takes so many streams and no more: the elephant has several.
  const elephant = Array.from({ length: 4 }, () => openSession(port)).flatMap((session) => {
    context.after(() => session.destroy());
    return Array.from({ length: 90 }, () => requestHttp2(session, 'GET', '/hold', { token: 'elephant' }));
  });
  let refusals = 0;
  for (const request of elephant) void request.then(({ status }) => (refusals += status === 429 ? 1 : 0));
  const arrived = () => hold.waiting.length + level.queues.waiting + refusals;
  await eventually(() => arrived() === elephant.length, 'all of it is there');
  assert.equal(hold.waiting.length, level.queues.limit);
  const refused = await Promise.race(elephant);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal(refused.body.reason, 'TooManyRequests');
  // Its hand is six queues of fifty.
  assert.ok(level.queues.waiting <= 300);

  assert.equal((await ask('masters', 'GET', '/api/v1/namespaces/default/configmaps')).status, 200);
  const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/none';
  assert.equal((await ask('system:kube-scheduler', 'GET', lease)).status, 404);
  while (level.queues.waiting > 0 || hold.waiting.length > 0) {
    hold.releaseAll();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const statuses = (await Promise.all(elephant)).map((answer) => answer.status);
  assert.deepEqual([...new Set(statuses)].sort(), [200, 429]);
  await eventually(() => level.queues.isIdle, 'every seat is given back');
});

test('priority and fairness: an elephant and a mouse: the mouse has its share', async (context) => {
  const work: NonResourceHandler = async ({ url }) => {
    if (url.pathname !== '/work') return undefined;
    await new Promise((resolve) => setTimeout(resolve, 2));
    return { status: 200, body: 'done' };
  };
  const { ask, port } = await start(context, 25, { nonResourceHandlers: [work] });
  const answers = { elephant: 0, mouse: 0, mouseRefused: 0 };
  const isEnough = () => answers.elephant >= 300;
  const elephant = async (session: ReturnType<typeof openSession>) => {
    while (!isEnough()) {
      const { status } = await requestHttp2(session, 'GET', '/work', { token: 'elephant' });
      if (status === 200) answers.elephant++;
    }
  };
  const mouse = async () => {
    while (!isEnough()) {
      const { status } = await ask('mouse', 'GET', '/work');
      if (status === 200) answers.mouse++;
      else answers.mouseRefused++;
    }
  };
  const sessions = Array.from({ length: 2 }, () => openSession(port));
  context.after(() => {
    for (const session of sessions) session.destroy();
  });
  await Promise.all([...sessions.flatMap((s) => Array.from({ length: 75 }, () => elephant(s))), mouse()]);
  // Six queues of the elephant's and one of the mouse's: one in seven, if it asked again at once.
  assert.equal(answers.mouseRefused, 0);
  assert.ok(answers.mouse > 300 / 7 / 3, `${answers.mouse} for the mouse, ${answers.elephant} for the elephant`);
});

test('priority and fairness: too long in the queue: 429', async (context) => {
  const { ask, hold, flowControl } = await start(context, 25, { limits: { requestTimeoutMs: 400 } });
  const level = levelOf(flowControl);
  const held = Array.from({ length: level.queues.limit }, () => ask('a', 'GET', '/hold'));
  await eventually(() => hold.waiting.length === held.length, 'no seat is left');
  const late = await ask('b', 'GET', '/version');
  assert.equal(late.status, 429);
  assert.match(
    flowControl.render(),
    /rejected_requests_total\{flow_schema="global-default",[^}]*reason="time-out"\} 1/,
  );
  hold.releaseAll();
  await Promise.all(held);
});

test('priority and fairness: a client that goes while it waits: its place is free', async (context) => {
  const { ask, hold, flowControl, port } = await start(context, 25);
  const level = levelOf(flowControl);
  const held = Array.from({ length: level.queues.limit }, () => ask('a', 'GET', '/hold'));
  await eventually(() => hold.waiting.length === held.length, 'no seat is left');
  const impatient = openSession(port);
  requestHttp2(impatient, 'GET', '/version', { token: 'b' }).catch(() => {});
  await eventually(() => level.queues.waiting === 1, 'it waits');
  impatient.destroy();
  await eventually(() => level.queues.waiting === 0, 'it is gone');
  hold.releaseAll();
  await Promise.all(held);
});

test('priority and fairness: a watch: gives its seats back when it is live', async (context) => {
  const { ask, session, flowControl } = await start(context, 25);
  const level = levelOf(flowControl);
  const path = '/api/v1/namespaces/default/configmaps';
  await ask('masters', 'POST', path, configMap('a'));
  const watches = Array.from({ length: level.queues.limit * 3 }, () =>
    openWatch(session, `${path}?watch=1`, { token: 'a' }),
  );
  await eventually(() => watches.every((w) => w.events.length === 1), 'all have their initial state');
  await eventually(() => level.queues.isIdle, 'none has a seat any more');
  assert.equal((await ask('b', 'GET', path)).status, 200);
  for (const watch of watches) watch.close();
});

test('priority and fairness: a refused watch: keeps no seat', async (context) => {
  const { ask, flowControl } = await start(context, 25);
  const level = levelOf(flowControl);
  const path = '/api/v1/namespaces/default/configmaps?watch=1';
  for (const query of ['&resourceVersion=x', '&labelSelector=(', '&resourceVersion=1&sendInitialEvents=maybe']) {
    const { status } = await ask('a', 'GET', path + query);
    assert.ok(status >= 400, query);
  }
  await eventually(() => level.queues.isIdle, 'all seats are free');
});

test('priority and fairness: configuration: dangling is marked, and unmarked when the level comes', async (context) => {
  const { ask, registry, flowControl } = await start(context, 600);
  createFlowConfiguration(registry, flowControl, bootstrap, realClock, silentLogger);
  const own = {
    ...bootstrap.schemas.find((s) => s.metadata.name === 'global-default')!,
    metadata: { name: 'own' },
    spec: { ...bootstrap.schemas[0]!['spec'], matchingPrecedence: 77, priorityLevelConfiguration: { name: 'later' } },
  };
  assert.equal((await ask('masters', 'POST', `${flowcontrol}/flowschemas`, own)).status, 201);
  const condition = async () =>
    (await ask('masters', 'GET', `${flowcontrol}/flowschemas/own`)).body.status?.conditions?.find(
      (c: { type: string }) => c.type === 'Dangling',
    );
  let seen: { status: string; reason: string } | undefined;
  const until = async (status: string) => {
    for (let i = 0; i < 200 && seen?.status !== status; i++) seen = await condition();
    assert.equal(seen?.status, status);
  };
  await until('True');
  assert.equal(seen!.reason, 'NotFound');
  const system = bootstrap.levels.find((l) => l.metadata.name === 'system')!;
  await ask('masters', 'POST', `${flowcontrol}/prioritylevelconfigurations`, {
    ...system,
    metadata: { name: 'later' },
  });
  await until('False');
});

test('priority and fairness: debug: levels, queues and waiting requests as tables', async (context) => {
  const { ask, hold, flowControl } = await start(context, 25);
  const level = levelOf(flowControl);
  const held = Array.from({ length: level.queues.limit + 1 }, () => ask('al,ice', 'GET', '/hold'));
  await eventually(() => level.queues.waiting === 1, 'one waits');
  const dump = async (what: string) =>
    (await ask('masters', 'GET', `/debug/api_priority_and_fairness/dump_${what}`)).text.trim().split('\n');
  const row = (await dump('priority_levels')).find((line) => line.startsWith('global-default'))!;
  assert.match(row, /, 1, \d+, \d+, \d+$/);
  const queues = (await dump('queues')).filter((line) => line.startsWith('global-default'));
  assert.match(queues.at(-1)!, /^global-default, \d+, [01], [01], [01], \d+\.\d{8}ss, [01]$/);
  assert.match((await dump('requests'))[1]!, /^global-default, \d+, 0, "al,ice", 1, 0, 0ms$/);
  while (held.length > 0 && !level.queues.isIdle) {
    hold.releaseAll();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(held);
});
