/**
 * `npm run bench`: the figures this project promises, measured, as a table with the machine they were measured on.
 * Ratios are taken pair by pair within one run, because machines drift. One section: `npm run bench -- store`, and
 * `npm run bench -- store quick` for a first impression of it. The sections: start, get, list, memory, store.
 */
import { cpus, totalmem } from 'node:os';
import { cacheMemory } from './cache-memory.ts';
import { getRate } from './get-rate.ts';
import { listRate } from './list-rate.ts';
import { apiServerStart, controlPlaneStart } from './start-up.ts';
import { isEtcdInstalled } from './store-processes.ts';
import { storeRates } from './store-rate.ts';
import { watchFanOut } from './store-watch.ts';

interface Figure {
  what: string;
  measured: string;
  promised: string;
  isKept: boolean;
}

const [, , only, effort] = process.argv;
const figures: Figure[] = [];
const add = (what: string, value: number, unit: string, promise: '≤' | '≥', limit: number) =>
  figures.push({
    what,
    measured: `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`,
    promised: `${promise} ${limit} ${unit}`,
    isKept: promise === '≤' ? value <= limit : value >= limit,
  });

if (!only || only === 'start') {
  const alone = await apiServerStart(5);
  add('one API server on a fresh store: start to ready (median of 5)', alone.readyMs, 'ms', '≤', 500);
  add('one API server idle: resident memory', alone.rssMb, 'MB', '≤', 110);
  const whole = await controlPlaneStart(3);
  add('up with 3 masters: start to first successful kubectl (median of 3)', whole.firstKubectlMs / 1000, 's', '≤', 4);
  add('up with 3 masters, idle: resident memory, all processes', whole.rssMb, 'MB', '≤', 1200);
  add('  the same, shared pages counted once (PSS)', whole.pssMb, 'MB', '≤', 1200);
}
if (!only || only === 'get') {
  const { ratio, cachedRatio, ours, bare } = await getRate();
  add(
    `GET of a ConfigMap: ${ours.toFixed(0)}/s, bare node:http2 ${bare.toFixed(0)}/s: ratio (median of pairs)`,
    ratio * 100,
    '%',
    '≥',
    50,
  );
  add('  the same at resourceVersion=0', cachedRatio * 100, '%', '≥', 50);
}
if (!only || only === 'list') {
  for (const payloadBytes of [700, 1700]) {
    const { ratio, cachedRatio, cpuRatio, bytes } = await listRate(10_000, payloadBytes);
    const what = `LIST of 10,000 objects, ${(bytes / 1e6).toFixed(1)} MB: rate to bare node:http2 (median of pairs)`;
    add(what, ratio * 100, '%', '≥', 60);
    add('  the same at resourceVersion=0', cachedRatio * 100, '%', '≥', 60);
    add('  CPU time of the bare server to ours', cpuRatio * 100, '%', '≥', 60);
  }
}
if (!only || only === 'memory') {
  for (const objects of [10_000, 50_000]) {
    const { listed, created } = await cacheMemory(objects, 2048);
    add(`watch cache: memory of an object of 2 KB, ${objects} listed`, listed / 1024, 'KB', '≤', 3.5);
    add('  created while it runs', created / 1024, 'KB', '≤', 3.5);
  }
}
if ((!only || only === 'store') && !isEtcdInstalled()) {
  process.stdout.write('the store is compared with real etcd, which is not installed (Debian: etcd-server)\n');
} else if (!only || only === 'store') {
  const pairs = effort === 'quick' ? { pairs: 3, roundMs: 500 } : { pairs: 5, roundMs: 800 };
  await storeRates(pairs, ({ write, clients, valueBytes, ratio, ours, etcd }) =>
    add(
      `store: ${write} of ${valueBytes} bytes, ${clients} clients: ${ours.toFixed(0)}/s, etcd ${etcd.toFixed(0)}/s: ratio (median of pairs)`,
      ratio,
      '×',
      '≥',
      1,
    ),
  );
  await watchFanOut(pairs, ({ watchers, ratio, ours, etcd }) =>
    add(
      `store: watch, ${watchers} watchers: ${ours.toFixed(0)} events/s, etcd ${etcd.toFixed(0)}/s: ratio (median of pairs)`,
      ratio,
      '×',
      '≥',
      1,
    ),
  );
}

const [{ model } = { model: 'unknown' }] = cpus();
process.stdout.write(
  `\n${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, ${process.platform}\n\n`,
);
const width = Math.max(...figures.map((f) => f.what.length));
for (const f of figures) {
  process.stdout.write(
    `${f.isKept ? 'ok  ' : 'MISS'}  ${f.what.padEnd(width)}  ${f.measured.padStart(9)}  (${f.promised})\n`,
  );
}
