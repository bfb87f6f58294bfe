/** Reads and watches through etcd's gRPC proxy, in front of our store: what --etcd-read-servers is for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import { createEtcdClient } from '#etcd/client.ts';
import { Code } from '#etcd/etcd-error.ts';
import type { Event } from '#etcd/key-value.ts';
import { realClock } from '#os/real-clock.ts';
import { ended, startOurEtcd } from './etcd-processes.ts';
import { etcdFailure, prefixEnd, text } from './etcd-suite.ts';

const isMissing = !existsSync('/usr/bin/etcd');
if (isMissing && process.env['CI'] === 'true') throw new Error('real etcd is missing: install etcd-server');

test('etcd: grpc-proxy: lists, several watches, refusals by their own code', {
  skip: isMissing && 'real etcd is not installed (Debian: etcd-server)',
}, async (t) => {
  const etcd = await startOurEtcd();
  t.after(() => etcd.stop());
  const listen = `127.0.0.1:${await freePort()}`;
  const store = etcd.endpoint.replace('http://', '');
  const proxy = spawn('/usr/bin/etcd', ['grpc-proxy', 'start', `--endpoints=${store}`, `--listen-addr=${listen}`], {
    stdio: 'ignore',
  });
  t.after(() => ended(proxy, 'SIGKILL'));
  const client = (endpoint: string) => createEtcdClient({ endpoints: [endpoint], clock: realClock, log: silentLogger });
  const [direct, proxied] = [client(etcd.endpoint), client(`http://${listen}`)];
  t.after(() => direct.close());
  t.after(() => proxied.close());

  const first = (await direct.put({ key: text('/p/a'), value: text('1') })).header!.revision;
  const range = { key: text('/p/'), rangeEnd: prefixEnd('/p/') };
  assert.equal((await proxied.range(range)).count, 1);
  const watch = (key: string, startRevision: number) => {
    const seen = Promise.withResolvers<Event[]>();
    const events: Event[] = [];
    proxied.watch(
      { key: text(key), startRevision },
      {
        events(some) {
          events.push(...some);
          if (events.length >= 2) seen.resolve(events);
        },
        progress() {},
        compacted: (revision) => seen.reject(new Error(`compacted at ${revision}`)),
        closed: seen.reject,
      },
    );
    return seen.promise;
  };
  const [a, b] = [watch('/p/a', first), watch('/p/b', first)];
  await direct.put({ key: text('/p/b'), value: text('1') });
  await direct.put({ key: text('/p/a'), value: text('2') });
  const last = (await direct.put({ key: text('/p/b'), value: text('2') })).header!.revision;
  for (const [events, name] of [[await a, 'a'] as const, [await b, 'b'] as const]) {
    assert.deepEqual(
      events.map((e) => `${e.kv.key} ${e.kv.value}`),
      [`/p/${name} 1`, `/p/${name} 2`],
    );
  }
  await direct.compact({ revision: last, physical: true });
  await assert.rejects(
    proxied.range({ ...range, revision: first }),
    etcdFailure(Code.OUT_OF_RANGE, /has been compacted/),
  );
});
