/** A store that has reached its quota: what still goes, what is said, and how it gets well again. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isStatusError } from '#apimachinery/status-error.ts';
import { AlarmAction } from '#etcd/messages.ts';
import { kvOfClient } from '../etcd3/client-kv.ts';
import { isInstalled, startEtcd } from './etcd-process.ts';
import { keyOf, map, maps, startBackend } from './fixtures.ts';

const ourStore = join(import.meta.dirname, '../../../bin/evenkeel.ts');
const quotaBytes = 4 * 1024 * 1024;
const isMissing = !isInstalled('etcd');
if (isMissing && process.env['CI'] === 'true') throw new Error('etcd is missing: install etcd-server');

full('etcd', ['etcd'], isMissing && 'no etcd on this machine');
full('the embedded store', [process.execPath, ourStore, 'etcd'], false);

function full(name: string, command: readonly [string, ...string[]], skip: string | false): void {
  test(`storage over ${name}: full: told as such, deletions go on, and room made is noticed`, { skip }, async (t) => {
    const etcd = await startEtcd([...command, `--quota-backend-bytes=${quotaBytes}`]);
    t.after(() => etcd.close());
    const client = etcd.client();
    const backend = startBackend(kvOfClient(client));
    t.after(() => backend.stop());
    const configMaps = backend.resource(maps);
    const signal = AbortSignal.timeout(60_000);
    const isFull = (error: unknown) => {
      assert.ok(isStatusError(error, 'InsufficientStorage'), String(error));
      assert.equal(error.code, 507);
      assert.match(error.message, /database space exceeded/);
      assert.equal(error.status.details?.retryAfterSeconds, undefined);
      return true;
    };
    assert.deepEqual((await backend.condition(signal)).alarms, []);

    const data = { all: 'x'.repeat(200_000) };
    let made = 0;
    const fill = async () => {
      for (; made < 100; made++) await configMaps.create(keyOf(`n${made}`), map(`n${made}`, data));
    };
    await assert.rejects(fill(), isFull);
    assert.ok(made > 2 && made < 100, `full after ${made}`);
    const { alarms, databaseBytes } = await backend.condition(signal);
    assert.deepEqual(alarms, ['NOSPACE']);
    assert.ok(databaseBytes > quotaBytes / 2, String(databaseBytes));

    await assert.rejects(
      configMaps.guaranteedUpdate(keyOf('n0'), (o) => ({ ...o!, data: { a: 'b' } })),
      isFull,
    );
    await assert.rejects(configMaps.create(keyOf('lease'), map('lease'), { ttlSeconds: 60 }), isFull);
    assert.equal(await configMaps.create(keyOf('n0'), map('n0')).catch(isFull), true, 'even of what exists');
    assert.equal((await configMaps.list({ prefix: maps.prefix })).entries.length, made);
    for (let i = 1; i < made; i++) assert.ok(await configMaps.guaranteedUpdate(keyOf(`n${i}`), () => undefined));
    assert.equal((await configMaps.list({ prefix: maps.prefix })).entries.length, 1);

    await client.compact({ revision: await backend.currentRevision(), physical: true });
    await client.defragment();
    await assert.rejects(configMaps.create(keyOf('x'), map('x')), isFull);
    const raised = await client.alarm({ action: AlarmAction.GET });
    for (const { memberId, alarm } of raised.alarms) {
      await client.alarm({ action: AlarmAction.DEACTIVATE, memberId, alarm });
    }
    assert.deepEqual((await backend.condition(signal)).alarms, []);
    assert.ok(await configMaps.create(keyOf('x'), map('x', data)));
  });
}
