/**
 * Mistakes that somebody could make, each planted in a world that is otherwise sound. The simulation must find every one:
 * see planted-bugs.sim.test.ts.
 */
import type { EtcdKv } from '#storage/etcd3/kv.ts';
import { KvError } from '#storage/etcd3/kv.ts';
import type { ResourceStorage, WatchSink } from '#storage/storage.ts';
import type { Database } from '#store/backend/database.ts';
import type { ApiServer } from './api-server.ts';
import type { Random } from './random.ts';
import type { StoreProcess } from './store-process.ts';
import type { Sabotage } from './world.ts';

export const plantedBugs: Readonly<Record<string, () => Sabotage>> = {
  // ---- Disk and store
  'a write is answered before it is synced': () => ({
    disk: (disk) => {
      disk.profile.syncLies = true;
    },
  }),
  'what a dead process left unsynced is served': () => ({
    disk: (disk) => {
      disk.profile.opensWithoutSync = true;
    },
  }),
  'a failed sync counts as done': () => ({
    database: (database) =>
      override(database, {
        sync: (...[done, ...rest]: Parameters<Database['sync']>) => database.sync(() => done(null), ...rest),
      }),
  }),
  'watchers are told before the sync': publishedBeforeSync,
  'the newest revision is forgotten at a start': () => ({
    database: (database) => {
      const newest = [...database.history(0, 2 ** 28)].at(-1)?.main;
      return override(database, {
        *history(from, before) {
          for (const row of database.history(from, before)) if (row.main !== newest) yield row;
        },
      });
    },
  }),
  'compaction takes the deletion at its own revision': () => ({
    database: (database) =>
      new Proxy(override(database, {}), {
        set(target, name, value) {
          Reflect.set(target, name, value);
          if (name !== 'compactRevision') return true;
          const rows = [...database.history(value as number, (value as number) + 1)];
          for (const { main, sub, version } of rows) if (version === 0) database.delete(main, sub);
          return true;
        },
      }),
  }),
  'leases never end': () => ({ store: ({ store }) => store.lessor.stop() }),
  'compaction takes a key’s value': () => ({
    database: (database) =>
      new Proxy(override(database, {}), {
        set(target, name, value) {
          Reflect.set(target, name, value);
          const put = [...database.history(value as number, 2 ** 28)].find(({ version }) => version > 0);
          if (put) database.delete(put.main, put.sub);
          return true;
        },
      }),
  }),

  // ---- Between storage and store
  'an event is lost': () => ({
    kv: (kv, random) => onEvents(kv, (events) => events.filter(() => !random.chance(0.03))),
  }),
  'events change their order': () => ({ kv: swapBatches }),
  'the watch of the store resumes one too late': () => ({
    kv: (kv) => {
      let watches = 0;
      return override(kv, {
        watch: (request, sink) =>
          kv.watch({ ...request, startRevision: request.startRevision + (watches++ > 0 ? 1 : 0) }, sink),
      });
    },
  }),
  'progress is announced too early': () => ({
    kv: (kv) =>
      override(kv, {
        watch: (request, sink) =>
          kv.watch(request, override(sink, { onProgress: (revision) => sink.onProgress(revision + 1) })),
      }),
  }),
  'a lost write is repeated without its compare': () => ({
    kv: (kv) =>
      override(kv, {
        txn: (request, signal) =>
          kv.txn(request, signal).catch((error: KvError) => {
            if (!error.maybeApplied) throw error;
            return kv.txn({ ...request, compare: [] }, signal);
          }),
      }),
  }),
  'a lost write is reported as not done': () => ({
    kv: (kv) =>
      override(kv, {
        txn: (request, signal) =>
          kv.txn(request, signal).catch((error: KvError) => {
            throw new KvError(error.kind, error.message);
          }),
      }),
  }),
  'writes do not compare': () => ({
    kv: (kv, random) =>
      override(kv, {
        txn: (request, signal) => kv.txn(random.chance(0.1) ? { ...request, compare: [] } : request, signal),
      }),
  }),
  'the store’s revision is remembered for a while': () => ({ kv: rememberedRevision }),

  // ---- API servers
  'consistent reads are answered from the cache as it is': () => ({
    api: (api) =>
      onStorages(api, (storage) => ({
        get: (key, options) => storage.get(key, { ...options, revision: options?.revision ?? 0 }),
      })),
  }),
  'pages are of the newest state': () => ({
    api: (api) =>
      onStorages(api, (storage) => ({
        list: ({ continueToken, ...options }) =>
          storage.list(continueToken ? { ...options, continueToken: atNewest(continueToken) } : options),
      })),
  }),
  'a watch resumes one too late': () => ({
    api: (api) =>
      onStorages(api, (storage) => ({
        watch: ({ revision, ...options }, sink) =>
          storage.watch({ ...options, ...(revision ? { revision: revision + 1 } : {}) }, sink),
      })),
  }),
  'a watch resumes one too early': () => ({
    api: (api) =>
      onStorages(api, (storage) => ({
        watch: ({ revision, ...options }, sink) =>
          storage.watch({ ...options, ...(revision === undefined ? {} : { revision: revision - 1 }) }, sink),
      })),
  }),
  'bookmarks come too early': () => ({
    api: (api) =>
      onSinks(api, (sink) => ({ bookmark: (revision, isInitialEnd) => sink.bookmark(revision + 1, isInitialEnd) })),
  }),
  'an event is told twice': () => ({
    api: (api, random) =>
      onSinks(api, (sink) => ({
        send: (type, entry) => sink.send(type, entry) && (random.chance(0.97) || sink.send(type, entry)),
      })),
  }),
  'a full receiver misses an event instead of its watch': () => ({
    api: (api) =>
      onSinks(api, (sink) => {
        let isFull = false;
        return {
          send(type, entry) {
            if (!isFull) isFull = !sink.send(type, entry);
            else isFull = false;
            return true;
          },
        };
      }),
  }),
  'a watch falls silent': () => ({
    api: (api) =>
      onSinks(api, (sink) => {
        let sent = 0;
        return { send: (type, entry) => sent++ > 20 || sink.send(type, entry), bookmark: () => true };
      }),
  }),
  'a rejection is handled by nobody': () => ({
    api: (api, random) =>
      onStorages(api, (storage) => ({
        get(key, options) {
          if (random.chance(0.1)) Promise.reject(new Error('nobody cares'));
          return storage.get(key, options);
        },
      })),
  }),
  'the real clock is asked': () => ({
    api: (api) =>
      onStorages(api, (storage) => ({ get: (key, options) => storage.get(key, { ...options, revision: Date.now() }) })),
  }),
};

/** `target` with some methods replaced; the others work on the original. */
function override<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const own = (methods as Record<PropertyKey, unknown>)[name];
      if (own !== undefined) return own;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: (_, name, value) => Reflect.set(target, name, value, target),
  });
}

function onStorages(api: ApiServer, methods: (storage: ResourceStorage) => Partial<ResourceStorage>): void {
  const real = api.storage.bind(api);
  api.storage = (key) => {
    const storage = real(key);
    return override(storage, methods(storage));
  };
}

function onSinks(api: ApiServer, methods: (sink: WatchSink) => Partial<WatchSink>): void {
  onStorages(api, (storage) => ({
    watch: (options, sink) => storage.watch(options, override(sink, methods(sink))),
  }));
}

type Events = Parameters<Parameters<EtcdKv['watch']>[1]['onEvents']>[0];

function onEvents(kv: EtcdKv, change: (events: Events) => Events): EtcdKv {
  return override(kv, {
    watch: (request, sink) =>
      kv.watch(
        request,
        override(sink, {
          onEvents(events) {
            const left = change(events);
            if (left.length > 0) sink.onEvents(left);
          },
        }),
      ),
  });
}

/** One message now and then waits for the one after it. */
function swapBatches(kv: EtcdKv, random: Random): EtcdKv {
  let held: Events = [];
  return onEvents(kv, (events) => {
    if (held.length === 0 && random.chance(0.1)) {
      held = events;
      return [];
    }
    const both = [...events, ...held];
    held = [];
    return both;
  });
}

function publishedBeforeSync(): Sabotage {
  let publish = () => {};
  return {
    database: (database: Database) =>
      override(database, {
        commit() {
          database.commit();
          publish();
        },
      }),
    store: ({ store }: StoreProcess) => {
      publish = () => store.watches.publish();
    },
  };
}

/** The header of a count is given out again for the next few that ask. */
function rememberedRevision(kv: EtcdKv): EtcdKv {
  let last: ReturnType<EtcdKv['range']> | undefined;
  let uses = 0;
  return override(kv, {
    range(request, signal) {
      if (!request.countOnly) return kv.range(request, signal);
      if (last === undefined || uses++ > 3) {
        last = kv.range(request, signal);
        uses = 0;
        last.catch(() => {
          last = undefined;
        });
      }
      return last;
    },
  });
}

function atNewest(token: string): string {
  const position = JSON.parse(Buffer.from(token, 'base64url').toString());
  return Buffer.from(JSON.stringify({ ...position, rv: -1 })).toString('base64url');
}
