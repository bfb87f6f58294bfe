/**
 * Whether a cache holds at one revision what the store held then: every key with its mod revision, and the value of one
 * key a page. Reads keys only, a page at a time; nothing is parsed but the sampled values. What the store cannot tell
 * now (it is away, has compacted the revision, is another one) is inconclusive, never a difference.
 */
import { messageOf } from '#base/errors.ts';
import { decodeEntry, type Entry } from '../etcd3/entry.ts';
import { type KeyValue, prefixEnd, type RangeRequest, type RangeResponse } from '../etcd3/kv.ts';
import type { Difference, ResourceCodec } from '../storage.ts';
import type { EntryTree } from './resource-cache.ts';

export interface ComparedState {
  codec: ResourceCodec;
  /** The cache's state at `revision`, which nobody changes. */
  snapshot: EntryTree;
  revision: number;
}

export interface ComparedStore {
  /** Rejects, too, when the answer is not of the store that the cache was made from. */
  range(request: RangeRequest): Promise<RangeResponse>;
  random: () => number;
  /** Default 1000. */
  pageKeys?: number;
}

export type Comparison =
  | { status: 'consistent' }
  | { status: 'divergent'; differences: Difference[] }
  | { status: 'inconclusive'; why: string };

/** Enough to see what kind of fault it is. */
export const differencesMax = 10;
/** Values that nobody can decode are rightly not cached, nor known to be gone; a look at each costs a request. */
const undecodableMax = 100;
const defaultPageKeys = 1_000;

export async function compareWithStore(state: ComparedState, store: ComparedStore): Promise<Comparison> {
  try {
    return await compare(state, store);
  } catch (error) {
    return { status: 'inconclusive', why: messageOf(error) };
  }
}

async function compare(state: ComparedState, store: ComparedStore): Promise<Comparison> {
  const { snapshot } = state;
  const differences: Difference[] = [];
  let found = 0;
  let undecodable = 0;
  for await (const kvs of keyPages(state, store)) {
    for (const { key, modRevision } of kvs) {
      const entry = snapshot.get(key);
      if (entry !== undefined) found++;
      if (entry?.revision === modRevision) continue;
      if (!(await isDecodable(key, state, store))) {
        if (++undecodable > undecodableMax) return { status: 'inconclusive', why: 'too many values cannot be decoded' };
        continue;
      }
      differences.push(
        entry === undefined
          ? { key, what: 'not cached', storedRevision: modRevision }
          : { key, what: 'another revision', cachedRevision: entry.revision, storedRevision: modRevision },
      );
      if (differences.length === differencesMax) return { status: 'divergent', differences };
    }
    const sampled = kvs[Math.floor(store.random() * kvs.length)];
    if (sampled && !(await isSameValue(sampled, state, store))) {
      differences.push({ key: sampled.key, what: 'another value', storedRevision: sampled.modRevision });
    }
  }
  if (found < snapshot.size) await addNotStored(state, store, differences);
  return differences.length > 0 ? { status: 'divergent', differences } : { status: 'consistent' };
}

async function* keyPages(state: ComparedState, store: ComparedStore): AsyncGenerator<readonly KeyValue[]> {
  const { prefix } = state.codec;
  const rangeEnd = prefixEnd(prefix);
  const limit = store.pageKeys ?? defaultPageKeys;
  for (let key = prefix; ; ) {
    const { kvs, more } = await store.range({ key, rangeEnd, revision: state.revision, limit, keysOnly: true });
    yield kvs;
    if (!more || kvs.length === 0) return;
    key = `${kvs.at(-1)!.key}\0`;
  }
}

async function storedValue(key: string, state: ComparedState, store: ComparedStore): Promise<Buffer | undefined> {
  return (await store.range({ key, revision: state.revision })).kvs[0]?.value;
}

async function isDecodable(key: string, state: ComparedState, store: ComparedStore): Promise<boolean> {
  const value = await storedValue(key, state, store);
  return value === undefined || decoded(key, value, 0, state) !== undefined;
}

async function isSameValue({ key, modRevision }: KeyValue, state: ComparedState, store: ComparedStore) {
  const entry = state.snapshot.get(key);
  // Told already, if it is a difference.
  if (entry?.revision !== modRevision) return true;
  const value = await storedValue(key, state, store);
  return value !== undefined && decoded(key, value, modRevision, state)?.bytes.equals(entry.bytes) === true;
}

function decoded(key: string, value: Buffer, revision: number, state: ComparedState): Entry | undefined {
  try {
    return decodeEntry(state.codec, key, value, revision);
  } catch {
    return undefined;
  }
}

/** The rare case, and so the one that may hold all keys: which of the cached are not in the store? */
async function addNotStored(state: ComparedState, store: ComparedStore, differences: Difference[]): Promise<void> {
  const stored = new Set<string>();
  for await (const kvs of keyPages(state, store)) for (const { key } of kvs) stored.add(key);
  state.snapshot.forEachPair((key, entry) => {
    if (differences.length < differencesMax && !stored.has(key)) {
      differences.push({ key, what: 'not stored', cachedRevision: entry.revision });
    }
  });
}
