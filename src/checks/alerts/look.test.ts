import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { type Look, look } from './look.ts';
import { ruleDefaults } from './rule-options.ts';
import { alertRules } from './rules.ts';

/** Looks once for ten seconds at a server that says `page(n)` at the n-th scrape. */
async function lookAt(
  t: TestContext,
  page: (scrape: number) => string | number,
  options: { job?: string; takesFederated?: boolean } = {},
): Promise<Look> {
  let scrape = 0;
  const clock = new FakeClock();
  const server = createServer((_, res) => {
    const answer = page(scrape++);
    if (typeof answer === 'number') res.writeHead(answer).end();
    else res.end(answer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { job = 'apiserver', takesFederated = false } = options;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  const targets = [{ job, instance: 'master1', url }];
  const rules = alertRules({ ...ruleDefaults, apiserversMin: 1 });
  const looking = look({ targets, rules, windowMs: 10_000, takesFederated, clock }, new AbortController().signal);
  let done = false;
  const first = looking.next().finally(() => {
    done = true;
  });
  while (!done) {
    await clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { value } = await first;
  await looking.return(undefined);
  return value as Look;
}

const firing = ({ findings }: Look) => findings.filter((f) => f.state === 'firing').map((f) => f.alert);
const total = (code: string, n: number) => `apiserver_request_total{resource="pods",code="${code}"} ${n}\n`;

test('look: rates over the window: errors of before it do not count, those in it do', async (t) => {
  const quiet = await lookAt(t, (i) => total('200', 1000 + 100 * i) + total('500', 900));
  assert.deepEqual(firing(quiet), []);
  const failing = await lookAt(t, (i) => total('200', 1000 + 100 * i) + total('500', 900 + 5 * i));
  assert.deepEqual(firing(failing), ['KubeAPIServerErrorsHigh']);
  assert.match(failing.findings[0]!.description, /^master1 answers 4\.762% of its requests with 5xx/);
});

test('look: a condition that holds since a moment only is pending', async (t) => {
  const since = (first: number) => lookAt(t, (i) => `etcd_server_has_leader ${i >= first ? 0 : 1}\n`, { job: 'etcd' });
  assert.deepEqual(firing(await since(0)), ['etcdNoLeader']);
  const late = await since(4);
  assert.deepEqual(firing(late), []);
  assert.deepEqual(
    late.findings.map((f) => [f.alert, f.state]),
    [['etcdNoLeader', 'pending']],
  );
});

test('look: who does not answer is down, and what it would have told is untold', async (t) => {
  const seen = await lookAt(t, () => 500);
  assert.deepEqual(firing(seen), ['KubeAPIDown', 'KubeAPIServerRedundancyLost', 'TargetDown']);
  assert.ok(seen.untold.some((u) => u.alert === 'KubeAPIServerErrorsHigh' && /it answers 500/.test(u.why)));
});

test('look: who does not let us in is not down: nothing is told of it', async (t) => {
  const seen = await lookAt(t, () => 403);
  assert.deepEqual(seen.findings, []);
  assert.ok(seen.untold.some((u) => u.alert === 'KubeAPIDown'));
});

test('look: the schedulers as an API server shows them: only where they are not asked themselves', async (t) => {
  const page = () =>
    'evenkeel_federation_up{instance="master2"} 1\nscheduler_scheduling_attempts{instance="master2"} 9\n';
  assert.deepEqual(firing(await lookAt(t, page)), []);
  const seen = await lookAt(t, page, { takesFederated: true });
  assert.deepEqual(firing(seen), ['KubeSchedulerPodAttemptsHigh']);
  assert.equal(seen.findings[0]!.labels['instance'], 'master2');
});

test('look: rules about who is not asked, or about days, are named as left out', async (t) => {
  const { skipped } = await lookAt(t, () => 'a 1\n');
  const why = (alert: string) => skipped.filter((s) => s.alert === alert).map((s) => s.why);
  assert.deepEqual(why('etcdNoLeader'), ['etcd is not asked']);
  assert.deepEqual(why('KubeAPIErrorBudgetBurn over 1d'), ['it takes hours of samples']);
  assert.deepEqual(why('KubeAPIErrorBudgetBurn over 6h'), [], 'half an hour is its shorter window');
});
