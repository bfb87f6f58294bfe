import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withKeyPrefix } from '../etcd3/key-prefix.ts';
import { FakeEtcd } from './fake-etcd.ts';
import { startBackend } from './fixtures.ts';
import { storageSuite } from './storage-suite.ts';

const etcd = new FakeEtcd();
storageSuite('storage under another prefix', async () => startBackend(withKeyPrefix(etcd, '/tenants/one')));

test('storage under another prefix: everything is there, and nothing elsewhere', async () => {
  const keys = etcd.history.map((e) => e.kv.key);
  assert.ok(keys.length > 100);
  assert.deepEqual(
    keys.filter((key) => !key.startsWith('/tenants/one/')),
    [],
  );
});
