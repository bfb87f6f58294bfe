/**
 * What one write costs a server with a thousand watchers: `node src/storage/cacher/watch-fanout.bench.ts`.
 * Shows that watches of other namespaces and other keys cost an event nothing.
 */
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import type { KvEvent } from '../etcd3/kv.ts';
import type { EntryFilter, WatchSink } from '../storage.ts';
import { codecFor, map } from '../testing/fixtures.ts';
import { ResourceCache } from './resource-cache.ts';
import { Watcher } from './watcher.ts';

const watchers = 1_000;
const events = 20_000;
const codec = codecFor('/registry/pods/');

function measure(title: string, prefixOf: (i: number) => string, filter?: EntryFilter): void {
  const cache = new ResourceCache(codec, { clock: realClock, log: silentLogger, ringCapacity: 1_000 });
  cache.beginFill();
  cache.finishFill(1);
  let sent = 0;
  const sink: WatchSink = {
    send: () => {
      sent++;
      return true;
    },
    bookmark: () => true,
    end: () => {},
  };
  for (let i = 0; i < watchers; i++) {
    const watcher = new Watcher({ prefix: prefixOf(i), filter }, 1, sink, () => {});
    watcher.live = true;
    cache.watchers.add(watcher);
  }
  const started = realClock.monotonic();
  for (let i = 0; i < events; i++) cache.apply(eventOf(i));
  const micros = ((realClock.monotonic() - started) * 1000) / events;
  const rate = Math.round((sent / (micros * events)) * 1_000_000);
  console.log(
    `${title.padEnd(34)} ${micros.toFixed(1).padStart(8)} µs an event ${String(rate).padStart(12)} deliveries a second`,
  );
}

function eventOf(i: number): KvEvent {
  const name = `pod-${i % 500}`;
  const value = codec.encode(map(name, { image: 'registry/app:1', node: `node-${i % 50}` }, { app: `app-${i % 10}` }));
  return {
    type: 'put',
    kv: { key: `${codec.prefix}ns-${i % 100}/${name}`, value, createRevision: i + 2, modRevision: i + 2, version: 1 },
  };
}

console.log(`${watchers} watchers, ${events} events`);
measure('no one concerned', () => '/registry/pods/elsewhere/');
measure('everyone, the whole resource', () => codec.prefix);
measure(
  'everyone, with a label selector',
  () => codec.prefix,
  (e) => e.labels?.app === 'app-3',
);
measure('a namespace each (10 per event)', (i) => `${codec.prefix}ns-${i % 100}/`);
measure('a key each', (i) => `${codec.prefix}ns-${i % 100}/pod-${i % 500}`);
