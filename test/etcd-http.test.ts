/** The other protocol on the same port. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startOurEtcd } from './etcd-processes.ts';

test('etcd: HTTP/1.1 on the client port: health, version, metrics', async (t) => {
  const etcd = await startOurEtcd();
  t.after(() => etcd.stop());
  const get = (path: string) => fetch(`${etcd.endpoint}${path}`);
  assert.deepEqual(await (await get('/health')).json(), { health: 'true', reason: '' });
  assert.match(((await (await get('/version')).json()) as { etcdserver: string }).etcdserver, /^3\.5\./);
  const metrics = await (await get('/metrics')).text();
  assert.match(metrics, /^etcd_server_has_leader 1$/m);
  assert.match(metrics, /^etcd_debugging_mvcc_current_revision 1$/m);
  assert.equal((await get('/v2/keys')).status, 404);
  assert.equal((await fetch(etcd.endpoint, { method: 'POST' })).status, 405);
});
