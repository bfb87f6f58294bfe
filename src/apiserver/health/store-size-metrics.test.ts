import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { startTestServer } from '../testing/fixtures.ts';
import { createStoreSizeMetrics } from './store-size-metrics.ts';

test('store size: objects of each resource, and the database: as old as the poll, and gone with the store', async (t) => {
  const server = await startTestServer();
  t.after(() => server.stop());
  const { etcd, registry, h2 } = server;
  const create = (name: string) =>
    h2('POST', '/api/v1/namespaces/default/configmaps', {
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } },
    });
  await create('a');
  await h2('GET', '/api/v1/configmaps');
  const clock = new FakeClock();
  const poll = { countPollMs: 60_000, databasePollMs: 30_000, timeoutMs: 2_000 };
  const metrics = createStoreSizeMetrics({ registry, condition: () => etcd.condition(), clock, ...poll });
  const stopping = new AbortController();
  const running = metrics.run(stopping.signal);
  const value = (series: string) => metrics.render().match(new RegExp(`^${series} (.*)$`, 'm'))?.[1];
  await clock.advance(10);
  assert.equal(value('apiserver_resource_objects{group="",resource="configmaps"}'), '1');
  assert.equal(value('apiserver_resource_objects{group="apps",resource="deployments"}'), '0');
  assert.equal(value('apiserver_storage_objects{resource="deployments.apps"}'), '0');
  assert.equal(value('apiserver_storage_size_bytes{storage_cluster_id="etcd-0"}'), '20480');

  await create('b');
  await h2('GET', '/api/v1/configmaps');
  etcd.databaseBytes = 40_960;
  await clock.advance(30_000);
  assert.equal(value('apiserver_resource_objects{group="",resource="configmaps"}'), '1');
  assert.equal(value('apiserver_storage_size_bytes{storage_cluster_id="etcd-0"}'), '40960');
  etcd.goDown();
  await clock.advance(30_000);
  assert.equal(value('apiserver_resource_objects{group="",resource="configmaps"}'), '2');
  assert.equal(value('apiserver_storage_size_bytes{storage_cluster_id="etcd-0"}'), undefined);
  etcd.comeUp();
  stopping.abort();
  await running;
});
