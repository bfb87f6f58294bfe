/** What is done to a world, all of it chosen before it begins: so that parts can be left out to find what matters. */
import { Random } from './random.ts';

export interface Plan {
  readonly seed: number;
  readonly servers: number;
  /** What the store says it is; old ones cannot be asked for progress. */
  readonly storeVersion: string;
  readonly network: 'quick' | 'uneven' | 'slow';
  readonly disk: 'quick' | 'uneven' | 'slow';
  /** Small: watch streams of the store fill up. */
  readonly watchBufferBytes: number;
  readonly clients: readonly ClientPlan[];
  readonly watchers: readonly WatcherPlan[];
  readonly faults: readonly Fault[];
  /** From then on nothing goes wrong. */
  readonly healAtMs: number;
}

/** `foreign` clients speak to the store itself. */
export interface ClientPlan {
  readonly name: string;
  readonly kind: 'api' | 'foreign';
  readonly steps: readonly Step[];
}

export interface Step {
  readonly id: number;
  readonly waitMs: number;
  readonly server: number;
  readonly action: Action;
}

export type Action =
  | { readonly do: 'create'; readonly key: string; readonly color: string; readonly ttlSeconds?: number }
  | { readonly do: 'put' | 'patch'; readonly key: string; readonly color: string }
  /** `expects`: only at the revision this client last saw of the key. */
  | { readonly do: 'update' | 'delete'; readonly key: string; readonly color: string; readonly expects: boolean }
  | { readonly do: 'get'; readonly key: string; readonly freshness: ReadFreshness }
  | {
      readonly do: 'list';
      readonly prefix: string;
      readonly freshness: ReadFreshness | 'exact';
      readonly limit: number;
      readonly color?: string;
    }
  | { readonly do: 'txn'; readonly keys: readonly string[]; readonly color: string; readonly compares: boolean }
  | { readonly do: 'elsewhere' }
  /** All but so many of the last revisions. */
  | { readonly do: 'compact'; readonly keep: number };

export type ReadFreshness = 'consistent' | 'any' | 'seen';

export interface WatcherPlan {
  readonly name: string;
  readonly prefix: string;
  readonly color?: string;
  readonly starts: 'initial' | 'listed';
  readonly startAtMs: number;
  /** How long each stream is kept, and at which server the next begins. */
  readonly streams: readonly { readonly server: number; readonly lastsMs: number }[];
  /** Events a stream holds for a client that does not read. */
  readonly bufferEvents: number;
  readonly isPaced: boolean;
}

export type Fault =
  | {
      readonly atMs: number;
      readonly do: 'store crash' | 'store power cut';
      readonly forMs: number;
      readonly atCommit: boolean;
    }
  | { readonly atMs: number; readonly do: 'store pause'; readonly forMs: number }
  | { readonly atMs: number; readonly do: 'sync error' | 'commit error'; readonly forMs: number }
  | { readonly atMs: number; readonly do: 'disk full' | 'disk slow'; readonly forMs: number }
  | {
      readonly atMs: number;
      readonly do: 'server crash' | 'server pause';
      readonly server: number;
      readonly forMs: number;
    }
  | { readonly atMs: number; readonly do: 'cut' | 'silent cut'; readonly server: number; readonly forMs: number }
  | { readonly atMs: number; readonly do: 'part' | 'silent part'; readonly server: number; readonly forMs: number };

export const mapsPrefix = '/registry/configmaps/';
export const podsPrefix = '/registry/pods/';
const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const namespaces = ['default', 'other'];

export function makePlan(seed: number, operations = 200): Plan {
  const random = new Random(seed, 'plan');
  const servers = random.between(2, 3);
  const clientCount = random.between(3, 6);
  const foreignCount = random.between(1, 2);
  const perClient = Math.max(1, Math.round(operations / (clientCount + foreignCount)));
  const waitMs = random.pick([1, 4, 20, 100, 600]);
  const keys = Array.from({ length: random.between(2, 6) }, (_, i) => keyOf(random, names[i]!));
  let id = 0;
  const step = (action: Action): Step => ({
    id: ++id,
    waitMs: random.chance(0.2) ? 0 : random.below(2 * waitMs + 1),
    server: random.below(servers),
    action,
  });
  const clients: ClientPlan[] = [];
  for (let c = 0; c < clientCount; c++) {
    const steps = Array.from({ length: perClient }, () => step(apiAction(random, keys)));
    clients.push({ name: `client-${c + 1}`, kind: 'api', steps });
  }
  const compactsEvery = random.pick([2, 3, 5, 10, 40]);
  for (let c = 0; c < foreignCount; c++) {
    const steps = Array.from({ length: perClient }, () => step(foreignAction(random, keys, compactsEvery)));
    clients.push({ name: `foreign-${c + 1}`, kind: 'foreign', steps });
  }
  const healAtMs = Math.max(200, Math.round(perClient * (waitMs + 8) * (0.5 + random.next())));
  return {
    seed,
    servers,
    storeVersion: random.chance(0.2) ? '3.4.23' : '3.5.21',
    network: random.pick(['quick', 'uneven', 'slow']),
    disk: random.pick(['quick', 'uneven', 'slow']),
    watchBufferBytes: random.pick([200, 300, 2_000, 64_000]),
    clients,
    watchers: Array.from({ length: random.between(2, 5) }, (_, i) => watcher(random, i, servers, keys, healAtMs)),
    faults: faults(random, servers, healAtMs),
    healAtMs,
  };
}

function keyOf(random: Random, name: string): string {
  return `${random.chance(0.8) ? mapsPrefix : podsPrefix}${random.pick(namespaces)}/${name}`;
}

const color = (random: Random) => random.pick(['red', 'blue']);

function apiAction(random: Random, keys: readonly string[]): Action {
  const kind = random.weighted({ create: 4, put: 3, patch: 4, update: 4, delete: 3, get: 4, list: 4 });
  const key = random.pick(keys);
  const freshness = random.weighted<ReadFreshness>({ consistent: 3, any: 1, seen: 1 });
  switch (kind) {
    case 'create':
      return {
        do: 'create',
        key,
        color: color(random),
        ...(random.chance(0.15) ? { ttlSeconds: random.between(1, 20) } : {}),
      };
    case 'put':
    case 'patch':
      return { do: kind, key, color: color(random) };
    case 'update':
    case 'delete':
      return { do: kind, key, color: color(random), expects: random.chance(0.4) };
    case 'get':
      return { do: 'get', key, freshness };
    case 'list':
      return {
        do: 'list',
        prefix: prefixFor(random, key),
        freshness: random.chance(0.2) ? 'exact' : freshness,
        limit: random.chance(0.4) ? random.between(1, 3) : 0,
        ...(random.chance(0.3) ? { color: color(random) } : {}),
      };
  }
}

function foreignAction(random: Random, keys: readonly string[], compactsEvery: number): Action {
  if (random.below(compactsEvery) === 0) return { do: 'compact', keep: random.pick([0, 0, 1, 2, 3, 10]) };
  const kind = random.weighted({ put: 2, delete: 1, txn: 2, elsewhere: 3 });
  const key = random.pick(keys);
  if (kind === 'put') return { do: 'put', key, color: color(random) };
  if (kind === 'delete') return { do: 'delete', key, color: '', expects: false };
  if (kind === 'elsewhere') return { do: 'elsewhere' };
  const several = keys.filter(() => random.chance(0.5));
  return { do: 'txn', keys: several.length > 0 ? several : [key], color: color(random), compares: random.chance(0.4) };
}

/** The whole resource, or one namespace of it. */
function prefixFor(random: Random, key: string): string {
  const namespace = key.slice(0, key.lastIndexOf('/') + 1);
  return random.chance(0.7) ? namespace.slice(0, namespace.lastIndexOf('/', namespace.length - 2) + 1) : namespace;
}

function watcher(
  random: Random,
  index: number,
  servers: number,
  keys: readonly string[],
  healAtMs: number,
): WatcherPlan {
  const key = random.pick(keys);
  const streams = Array.from({ length: 12 }, () => ({
    server: random.below(servers),
    lastsMs: random.chance(0.3) ? random.below(healAtMs) : 1_000_000,
  }));
  return {
    name: `watcher-${index + 1}`,
    prefix: random.chance(0.15) ? key : prefixFor(random, key),
    ...(random.chance(0.4) ? { color: color(random) } : {}),
    starts: random.chance(0.5) ? 'initial' : 'listed',
    startAtMs: random.below(healAtMs),
    streams,
    bufferEvents: random.pick([2, 10, 1000]),
    isPaced: random.chance(0.5),
  };
}

function faults(random: Random, servers: number, healAtMs: number): Fault[] {
  const count = random.weighted({ 0: 1, 2: 3, 5: 4, 12: 2 });
  const list: Fault[] = [];
  for (let i = 0; i < Number(count); i++) {
    const kind = random.weighted({
      'store crash': 3,
      'store power cut': 4,
      'store pause': 2,
      'sync error': 1,
      'commit error': 1,
      'disk full': 1,
      'disk slow': 2,
      'server crash': 4,
      'server pause': 3,
      cut: 4,
      'silent cut': 2,
      part: 2,
      'silent part': 2,
    });
    const atMs = random.below(healAtMs);
    const forMs = Math.min(healAtMs - atMs, random.pick([1, 20, 200, 3_000, 30_000]));
    list.push({ atMs, do: kind, server: random.below(servers), forMs, atCommit: random.chance(0.6) } as Fault);
  }
  return list.sort((a, b) => a.atMs - b.atMs);
}
