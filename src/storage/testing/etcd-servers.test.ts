/** Behind the storage may be any server of etcd's protocol: etcd itself, or our own store. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isStatusError } from '#apimachinery/status-error.ts';
import { kvOfClient } from '../etcd3/client-kv.ts';
import { type EtcdProcess, isInstalled, startEtcd } from './etcd-process.ts';
import { codecFor, eventually, everything, keyOf, map, maps, nameOf, Recorder, startBackend } from './fixtures.ts';
import { storageSuite } from './storage-suite.ts';

const ourStore = join(import.meta.dirname, '../../../bin/evenkeel.ts');

behind('etcd', ['etcd'], isInstalled('etcd') ? false : 'no etcd on this machine');
behind('the embedded store', [process.execPath, ourStore, 'etcd'], false);

function behind(name: string, command: readonly [string, ...string[]], skip: string | false): void {
  describe(name, { skip }, () => {
    let etcd: EtcdProcess;
    before(async () => {
      etcd = await startEtcd(command);
    });
    after(() => etcd?.close());

    storageSuite(`storage over ${name}`, async () => startBackend(kvOfClient(etcd.client())));

    test(`storage over ${name}: compacted: a page of before is Expired`, async () => {
      const client = etcd.client();
      const backend = startBackend(kvOfClient(client));
      const secrets = backend.resource(codecFor('/registry/secrets/'));
      for (const n of ['a', 'b']) await secrets.create(`/registry/secrets/default/${n}`, map(n));
      const page = await secrets.list({ prefix: '/registry/secrets/', limit: 1 });
      await secrets.guaranteedUpdate('/registry/secrets/default/b', () => undefined);
      await client.compact({ revision: await backend.currentRevision(), physical: true });
      const late = startBackend(kvOfClient(client));
      const again = late.resource(codecFor('/registry/secrets/'));
      await eventually(() => late.synced(), 'synced');
      await assert.rejects(
        again.list({ prefix: '/registry/secrets/', continueToken: page.continueToken }),
        (e) => isStatusError(e, 'Expired') && 'continue' in e.status.metadata,
      );
      await backend.stop();
      await late.stop();
    });

    test(`storage over ${name}: an object beyond the store's limit: RequestEntityTooLarge`, async () => {
      const backend = startBackend(kvOfClient(etcd.client()));
      const big = map('big', { all: 'x'.repeat(2_000_000) });
      await assert.rejects(backend.resource(maps).create(keyOf('big'), big), (e) =>
        isStatusError(e, 'RequestEntityTooLarge'),
      );
      await backend.stop();
    });

    test(`storage over ${name}: kill -9 under writes: each is applied once, and told with its revision`, async () => {
      const backend = startBackend(kvOfClient(etcd.client()));
      const prefix = '/registry/writes/';
      const storage = backend.resource(codecFor(prefix));
      const recorder = new Recorder();
      await storage.watch({ prefix }, recorder);
      const told = new Map<string, number | undefined>();
      let next = 0;
      const write = async () => {
        while (next < 300) {
          const n = `n${next++}`;
          told.set(n, (await storage.create(`${prefix}default/${n}`, map(n)))?.revision);
        }
      };
      const writers = Promise.all(Array.from({ length: 10 }, write));
      await eventually(() => told.size >= 100, 'a hundred');
      await etcd.kill();
      await etcd.restart();
      await writers;
      const { entries } = await storage.list({ prefix });
      const byName = (pairs: Iterable<[string, number | undefined]>) => Object.fromEntries([...pairs].toSorted());
      assert.deepEqual(byName(told), byName(entries.map((e) => [nameOf(e), e.revision])));
      await eventually(() => recorder.seen.length === 300, 'all events');
      assert.deepEqual(byName(recorder.seen.map((e) => [e.name!, e.revision])), byName(told));
      await backend.stop();
    });

    test(`storage over ${name}: kill -9: the watch goes on without a gap`, async () => {
      const backend = startBackend(kvOfClient(etcd.client()));
      const configMaps = backend.resource(maps);
      const recorder = new Recorder();
      await configMaps.watch(everything(), recorder);
      await configMaps.create(keyOf('a'), map('a'));
      await eventually(() => recorder.seen.length === 1, 'the first');
      await etcd.kill();
      assert.equal((await configMaps.list({ prefix: maps.prefix, revision: 0 })).entries.length, 1);
      await etcd.restart();
      await configMaps.create(keyOf('b'), map('b'));
      await configMaps.guaranteedUpdate(keyOf('a'), () => undefined);
      await eventually(() => recorder.seen.length === 3, 'the rest');
      assert.deepEqual(recorder.lines, ['ADDED a', 'ADDED b', 'DELETED a']);
      await backend.stop();
    });
  });
}
