import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { FakeEtcd } from '#storage/testing/fake-etcd.ts';
import { createHealth, type HealthCheck, PublicHealthError } from './health.ts';
import { storeAdvice } from './store-advice.ts';

async function get(checks: Record<string, HealthCheck>, url: string) {
  const { pathname, searchParams } = new URL(url, 'http://x');
  const health = createHealth(new Map(Object.entries(checks)), silentLogger, 1000);
  const response = await health.handle(pathname, searchParams);
  return response && { status: response.status, body: response.body as string };
}
const broken: HealthCheck = () => {
  throw new Error('secret detail');
};

test('health: healthy: ok, and every check with verbose', async () => {
  assert.deepEqual(await get({}, '/livez'), { status: 200, body: 'ok' });
  const verbose = (await get({}, '/readyz?verbose'))!.body;
  assert.match(verbose, /^\[\+\]ping ok\n/);
  assert.match(verbose, /\n\[\+\]informer-sync ok\n/);
  assert.match(verbose, /\n\[\+\]shutdown ok\nreadyz check passed\n$/);
  assert.doesNotMatch((await get({}, '/livez?verbose'))!.body, /shutdown|\]informer-sync/);
});

test('health: unhealthy: not ready, but alive, and nothing is told of the reason', async () => {
  const ready = (await get({ etcd: broken }, '/readyz'))!;
  assert.equal(ready.status, 500);
  assert.match(ready.body, /\n\[-\]etcd failed: reason withheld\n/);
  assert.match(ready.body, /readyz check failed\n$/);
  assert.doesNotMatch(ready.body, /secret/);
  assert.equal((await get({ etcd: broken }, '/livez'))!.status, 200);
  assert.equal((await get({ etcd: broken }, '/healthz'))!.status, 500);
});

test('health: a check of our own: before the last, with what it may tell', async () => {
  const own = () => {
    throw new PublicHealthError('what everyone may know');
  };
  assert.match((await get({ own: () => {} }, '/readyz?verbose'))!.body, /\n\[\+\]own ok\n\[\+\]shutdown ok\n/);
  assert.match((await get({ own }, '/readyz'))!.body, /\n\[-\]own failed: what everyone may know\n/);
  assert.equal(
    (await get({ own }, '/readyz/own'))!.body,
    'internal server error: own failed: what everyone may know\n',
  );
  assert.equal((await get({ own }, '/livez'))!.status, 200);
  assert.equal(await get({ own }, '/livez/own'), undefined);
});

test('health: exclude: a check that is known, and one that is not', async () => {
  assert.equal((await get({ etcd: broken }, '/readyz?exclude=etcd'))!.status, 200);
  assert.match((await get({}, '/livez?verbose&exclude=ping'))!.body, /^\[\+\]ping excluded: ok\n/);
  assert.match(
    (await get({}, '/readyz?verbose&exclude=nosuch'))!.body,
    /\nwarn: some health checks cannot be excluded: no matches for "nosuch"\nreadyz check passed\n$/,
  );
});

test('health: one check: by its path', async () => {
  assert.deepEqual(await get({ etcd: broken }, '/readyz/ping'), { status: 200, body: 'ok' });
  assert.equal((await get({ etcd: broken }, '/readyz/etcd'))!.status, 500);
  assert.equal((await get({}, '/readyz/poststarthook/rbac/bootstrap-roles'))!.status, 200);
  assert.equal(await get({}, '/livez/nosuch'), undefined);
  assert.equal(await get({}, '/elsewhere'), undefined);
});

test('health: an alarm of the store: named with its remedy to whoever asks in full, and no reason to be unready', async () => {
  const etcd = new FakeEtcd();
  const ask = async (url: string) => {
    const { pathname, searchParams } = new URL(url, 'http://x');
    const advice = () => storeAdvice({ condition: () => etcd.condition() }, AbortSignal.timeout(1000));
    return (await createHealth(new Map(), silentLogger, 1000, advice).handle(pathname, searchParams))!;
  };
  assert.doesNotMatch(String((await ask('/readyz?verbose')).body), /warn/);
  etcd.alarms.add('NOSPACE');
  for (const endpoint of ['readyz', 'healthz', 'livez']) {
    const { status, body } = await ask(`/${endpoint}?verbose`);
    assert.equal(status, 200);
    assert.match(String(body), /\nwarn: etcd: alarm NOSPACE: .*etcdctl compact.*etcdctl alarm disarm/);
    assert.match(String(body), new RegExp(`\\n${endpoint} check passed\\n$`));
    assert.equal((await ask(`/${endpoint}`)).body, 'ok');
  }
  etcd.alarms.delete('NOSPACE');
  assert.doesNotMatch(String((await ask('/readyz?verbose')).body), /warn/);
  etcd.goDown();
  assert.equal((await ask('/readyz?verbose')).status, 200, 'what the store cannot say now fails nothing by itself');
});
