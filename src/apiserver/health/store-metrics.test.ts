import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScheme } from '#apis/scheme.ts';
import { realClock } from '#os/real-clock.ts';
import { FakeEtcd } from '#storage/testing/fake-etcd.ts';
import { countStoreRequests } from './store-metrics.ts';

test('store metrics: requests by resource and what was asked; keys of no resource are one series', async () => {
  const etcd = new FakeEtcd();
  const { kv, render } = countStoreRequests(etcd, realClock, createScheme());
  const key = '/registry/services/specs/default/x';
  const value = Buffer.from('{}');
  const put = (modRevision: number) => ({
    compare: [{ key, modRevision }],
    success: [{ type: 'put' as const, key, value }],
    failure: [],
  });
  await kv.txn(put(0));
  await kv.txn(put(2));
  await kv.range({ key });
  await kv.range({ key: '/registry/deployments/', rangeEnd: '/registry/deployments0' });
  for (const other of ['/registry/nosuch/a', '/registry/\0', '/elsewhere', 'x']) await kv.range({ key: other });
  await kv.grantLease(10);
  etcd.goDown();
  await assert.rejects(kv.range({ key }));
  const text = render();
  for (const line of [
    'etcd_requests_total{group="",operation="create",resource="services"} 1',
    'etcd_requests_total{group="",operation="update",resource="services"} 1',
    'etcd_requests_total{group="",operation="get",resource="services"} 2',
    'etcd_requests_total{group="apps",operation="list",resource="deployments"} 1',
    'etcd_requests_total{group="",operation="get",resource=""} 4',
    'etcd_requests_total{group="",operation="leaseGrant",resource=""} 1',
    'etcd_request_errors_total{group="",operation="get",resource="services"} 1',
    'etcd_request_duration_seconds_bucket{group="",operation="get",resource="services",le="+Inf"} 2',
    'etcd_request_duration_seconds_count{group="apps",operation="list",resource="deployments"} 1',
  ]) {
    assert.ok(text.split('\n').includes(line), line);
  }
});
