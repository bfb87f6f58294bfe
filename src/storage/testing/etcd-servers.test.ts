/** Behind the storage may be any server of etcd's protocol: etcd itself, or our own store. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isStatusError } from '#apimachinery/status-error.ts';
import { silentLogger } from '#base/log.ts';
import type { EtcdClient } from '#etcd/client.ts';
import { CompareResult, CompareTarget } from '#etcd/messages.ts';
import { realClock } from '#os/real-clock.ts';
import { kvOfClient } from '../etcd3/client-kv.ts';
import { Compactor } from '../etcd3/compactor.ts';
import { type EtcdProcess, isInstalled, startEtcd } from './etcd-process.ts';
import { codecFor, eventually, everything, keyOf, map, maps, nameOf, Recorder, startBackend } from './fixtures.ts';
import { storageSuite } from './storage-suite.ts';

const ourStore = join(import.meta.dirname, '../../../bin/evenkeel.ts');

behind('etcd', ['etcd'], isInstalled('etcd') ? false : 'no etcd on this machine');
behind('the embedded store', [process.execPath, ourStore, 'etcd'], false);

/** kube-apiserver's side of the protocol, by etcd's own requests. */
class UpstreamCompactor {
  readonly #client: EtcdClient;
  #version = 0;
  #revision = 0;

  constructor(client: EtcdClient) {
    this.#client = client;
  }

  async round(): Promise<number> {
    const key = Buffer.from('compact_rev_key');
    const response = await this.#client.txn({
      compare: [{ key, target: CompareTarget.VERSION, result: CompareResult.EQUAL, version: this.#version }],
      success: [{ requestPut: { key, value: Buffer.from(String(this.#revision)) } }],
      failure: [{ requestRange: { key } }],
    });
    const due = this.#revision;
    this.#revision = response.header!.revision;
    if (!response.succeeded) {
      this.#version = response.responses[0]!.responseRange!.kvs[0]!.version;
      return 0;
    }
    this.#version++;
    if (due > 0) await this.#client.compact({ revision: due });
    return due;
  }
}

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
      await assert.rejects(
        again.list({ prefix: '/registry/secrets/', revision: page.revision, match: 'Exact' }),
        (e) => isStatusError(e, 'Expired') && /The resourceVersion for the provided list is too old\.$/.test(e.message),
      );
      await backend.stop();
      await late.stop();
    });

    test(`storage over ${name}: compaction: takes turns with a server of upstream's`, async () => {
      const client = etcd.client();
      const signal = AbortSignal.timeout(30_000);
      const ours = new Compactor({ kv: kvOfClient(client), clock: realClock, log: silentLogger, intervalMs: 0 });
      const theirs = new UpstreamCompactor(client);
      const told: [number, number][] = [];
      for (let interval = 0; interval < 8; interval++) {
        await client.put({ key: Buffer.from('/registry/noise'), value: Buffer.from(String(interval)) });
        const turns = [() => ours.round(signal), () => theirs.round()];
        const [first, second] = interval % 3 === 2 ? turns.toReversed() : turns;
        const done = [await first!(), await second!()];
        told.push(interval % 3 === 2 ? [done[1]!, done[0]!] : [done[0]!, done[1]!]);
      }
      assert.ok(
        told.every(([a, b]) => a === 0 || b === 0),
        `both compacted in one interval: ${told.join(' ')}`,
      );
      assert.ok(told.some(([a]) => a > 0) && told.some(([, b]) => b > 0), `each had its turn: ${told.join(' ')}`);
      const last = Math.max(...told.flat());
      const mark = await client.range({ key: Buffer.from('compact_rev_key') });
      assert.equal(String(mark.kvs[0]!.value), String(last));
      await assert.rejects(client.range({ key: Buffer.from('x'), revision: last - 1 }), /has been compacted/);
    });

    test(`storage over ${name}: an object beyond the store's limit: RequestEntityTooLarge`, async () => {
      const backend = startBackend(kvOfClient(etcd.client()));
      const big = map('big', { all: 'x'.repeat(2_000_000) });
      const isTooLarge = (e: unknown) => {
        assert.ok(isStatusError(e, 'RequestEntityTooLarge'), String(e));
        assert.deepEqual([e.code, e.message], [413, 'Request entity too large: etcdserver: request is too large']);
        return true;
      };
      await assert.rejects(backend.resource(maps).create(keyOf('big'), big), isTooLarge);
      assert.ok(await backend.resource(maps).create(keyOf('big'), map('big', { all: 'x'.repeat(1_000_000) })));
      await assert.rejects(
        backend.resource(maps).guaranteedUpdate(keyOf('big'), () => big),
        isTooLarge,
      );
      await backend.resource(maps).guaranteedUpdate(keyOf('big'), () => undefined);
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
