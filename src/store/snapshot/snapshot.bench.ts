/**
 * How fast a store is saved, restored, and moved to etcd's format and back, and what memory that takes:
 *   node src/store/snapshot/snapshot.bench.ts [KEYS [VALUE BYTES]]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../backend/database.ts';
import type { Contents } from './contents.ts';
import { noClock } from './embedded-snapshot.ts';
import { restoreToDirectory, restoreToEtcdSnapshot } from './restore.ts';
import { saveFromDirectory } from './save.ts';
import { openSource } from './source.ts';
import { snapshotStatus } from './status.ts';

const keys = Number(process.argv[2] ?? 100_000);
const valueBytes = Number(process.argv[3] ?? 1024);
const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'snapshot-bench-'));
const path = (name: string) => join(dir, name);
const pace = () => undefined;
let ids = 1n;
const options = { bumpRevision: 0, randomId: () => ++ids, pace };

async function measure(what: string, work: () => Promise<unknown>): Promise<void> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await work();
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const rate = `${Math.round(keys / seconds)} entries/s, ${((keys * valueBytes) / seconds / 1e6).toFixed(0)} MB/s`;
  const memory = `${Math.round(process.memoryUsage.rss() / 1e6)} MB resident`;
  console.log(
    `${what.padEnd(24)} ${seconds.toFixed(2)} s (${((user + system) / 1e6).toFixed(2)} s of a core): ${rate}, ${memory}`,
  );
}

async function from<T>(source: string, work: (contents: Contents) => Promise<T>): Promise<T> {
  const contents = await openSource(source, { skipHashCheck: false, pace });
  try {
    return await work(contents);
  } finally {
    contents.close();
  }
}

try {
  const database = openDatabase(path('data'), options.randomId, noClock);
  database.begin();
  for (let i = 0; i < keys; i++) {
    const key = Buffer.from(`/registry/configmaps/default/${i}`);
    const value = Buffer.alloc(valueBytes, i & 0xff);
    database.insert({ main: i + 2, sub: 0, key, value, createRevision: i + 2, version: 1, lease: 0n });
    if (i % 5000 === 4999) {
      database.commit();
      await new Promise<void>((resolve, reject) =>
        database.sync((error) => (error ? reject(error) : resolve()), false),
      );
      database.begin();
    }
  }
  database.commit();
  database.close();
  console.log(
    `${keys} keys of ${valueBytes} bytes: store.db ${Math.round(statSync(path('data/store.db')).size / 1e6)} MB`,
  );
  await measure('save', () => saveFromDirectory(path('data'), path('saved.db'), pace));
  await measure('restore', () => from(path('saved.db'), (c) => restoreToDirectory(c, path('restored'), options)));
  await measure('migrate to etcd', () =>
    from(path('saved.db'), (c) => restoreToEtcdSnapshot(c, path('etcd.db'), options)),
  );
  await measure('migrate from etcd', () => from(path('etcd.db'), (c) => restoreToDirectory(c, path('back'), options)));
  await measure('status of etcd', () => from(path('etcd.db'), (c) => snapshotStatus(c, pace)));
} finally {
  rmSync(dir, { recursive: true, force: true });
}
