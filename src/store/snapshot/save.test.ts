import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { EtcdClient } from '#etcd/client.ts';
import { temporaryDirectory } from '../testing/fixtures.ts';
import { saveFromServer } from './save.ts';

const pages = Buffer.alloc(100_000, 'page');
const hash = createHash('sha256').update(pages).digest();

/** A server that sends these pieces, and after them what `end` does. */
function server(pieces: Buffer[], end: () => Promise<void> = async () => {}): EtcdClient {
  async function* snapshot() {
    yield* pieces;
    await end();
  }
  return { snapshot } as unknown as EtcdClient;
}

const options = () => ({ clock: new FakeClock(), signal: new AbortController().signal, pace: () => undefined });

test('snapshot: from a server: in pieces of any size, the hash among them', async (t) => {
  const dir = temporaryDirectory(t);
  const all = Buffer.concat([pages, hash]);
  for (const size of [777, 4096, 99_999, 100_032]) {
    const pieces = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
      all.subarray(i * size, (i + 1) * size),
    );
    const path = join(dir, String(size));
    await saveFromServer(server(pieces), path, options());
    assert.ok(readFileSync(path).equals(all), `pieces of ${size}`);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  }
});

test('snapshot: from a server: cut off, or wrong: refused, and nothing is left', async (t) => {
  const dir = temporaryDirectory(t);
  for (const pieces of [[], [hash.subarray(9)], [pages], [pages, hash.subarray(0, 31)], [pages.subarray(1), hash]]) {
    await assert.rejects(saveFromServer(server(pieces), join(dir, 'x'), options()), /does not have the hash/);
  }
  const broken = server([pages], () => Promise.reject(new Error('connection lost')));
  await assert.rejects(saveFromServer(broken, join(dir, 'x'), options()), /connection lost/);
  assert.deepEqual(readdirSync(dir), []);
});

test('snapshot: from a server that falls silent, or until interrupted: ends', async (t) => {
  const dir = temporaryDirectory(t);
  const silent = () => server([pages], () => new Promise(() => {}));
  const one = options();
  const saving = assert.rejects(saveFromServer(silent(), join(dir, 'x'), one), /sent nothing for 30 s/);
  for (let i = 0; i < 100 && one.clock.pendingTimers === 0; i++) await new Promise((resolve) => setImmediate(resolve));
  await one.clock.advance(30_001);
  await saving;
  const stop = new AbortController();
  const other = saveFromServer(silent(), join(dir, 'x'), { ...options(), signal: stop.signal });
  const interrupted = assert.rejects(other, /interrupted: nothing was changed/);
  setImmediate(() => stop.abort());
  await interrupted;
  assert.deepEqual(readdirSync(dir), []);
});
