/**
 * What an API server's storage keeps of many objects, in a process of its own. Arguments: the store's URL, number of
 * objects, bytes of each as it is stored. Writes its measurements as JSON, in bytes of heap and buffers an object.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createScheme } from '#apis/scheme.ts';
import { createCodec } from '#apiserver/registry/codec.ts';
import { silentLogger } from '#base/log.ts';
import { createEtcdClient } from '#etcd/client.ts';
import { realClock } from '#os/real-clock.ts';
import { createStorageBackend } from '#storage/cacher/backend.ts';
import { kvOfClient } from '#storage/etcd3/client-kv.ts';
import type { ResourceStorage } from '#storage/storage.ts';
import { until } from '../system/control-plane.ts';

const [url, objectsText, storedBytesText] = process.argv.slice(2);
const objects = Number(objectsText);
const storedBytes = Number(storedBytesText);
const atOnce = 64;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const scheme = createScheme();
const info = [...scheme.resources()].find((r) => r.group === '' && r.resource === 'configmaps')!;
const codec = createCodec(scheme, info, {} as Parameters<typeof createCodec>[2]);
const client = createEtcdClient({ endpoints: [url!], clock: realClock, log: silentLogger });

interface Server {
  storage: ResourceStorage;
  stop(): Promise<void>;
}

async function serve(): Promise<Server> {
  const backend = createStorageBackend({
    client: kvOfClient(client),
    clock: realClock,
    log: silentLogger,
    random: Math.random,
  });
  const storage = backend.resource(codec);
  const stopping = new AbortController();
  const ended = backend.run(stopping.signal);
  await until('the cache is filled', () => backend.synced());
  return {
    storage,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

async function usedBytes(): Promise<number> {
  // What finalizers free is collected in a later turn.
  for (let i = 0; i < 5; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function objectOf(index: number, round: number) {
  const name = `config-${String(index).padStart(6, '0')}`;
  const object = {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: {
      name,
      namespace: `team-${index % 20}`,
      uid: crypto.randomUUID(),
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: `app-${index % 100}`, 'app.kubernetes.io/instance': name },
    },
    data: { round: String(round), payload: '' },
  };
  object.data.payload = 'x'.repeat(Math.max(0, storedBytes - JSON.stringify(object).length));
  return object;
}

async function forEachObject(body: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < objects) await body(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const keyOf = (index: number) => `${codec.prefix}team-${index % 20}/config-${String(index).padStart(6, '0')}`;
const perObject = (bytes: number) => Math.round(bytes / objects);

const first = await serve();
const empty = await usedBytes();
await forEachObject((i) => first.storage.create(keyOf(i), objectOf(i, 0)));
await until('all are cached', () => first.storage.count() === objects);
const created = perObject((await usedBytes()) - empty);
await forEachObject((i) => first.storage.guaranteedUpdate(keyOf(i), (o) => ({ ...o!, data: objectOf(i, 1).data })));
const updated = perObject((await usedBytes()) - empty);
await first.stop();

const beforeList = await usedBytes();
const second = await serve();
const listed = perObject((await usedBytes()) - beforeList);
if (second.storage.count() !== objects) throw new Error(`${second.storage.count()} objects cached, not ${objects}`);
await second.stop();
process.stdout.write(`${JSON.stringify({ created, updated, listed })}\n`);
process.exit(0);
