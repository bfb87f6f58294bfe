/** Behind the storage may be any server of etcd's protocol: etcd itself, or our own store. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { kvOfClient } from '../etcd3/client-kv.ts';
import { type EtcdProcess, isInstalled, startEtcd } from './etcd-process.ts';
import { eventually, everything, keyOf, map, maps, Recorder, startBackend } from './fixtures.ts';
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
