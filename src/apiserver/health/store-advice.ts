import type { StorageBackend } from '#storage/storage.ts';

/**
 * What whoever asks after the health in full should know of the store, and do. None of it makes a server unready:
 * every server has the same store, and each can still serve what the store lets it.
 */
export async function storeAdvice(backend: Pick<StorageBackend, 'condition'>, signal: AbortSignal): Promise<string[]> {
  const { alarms } = await backend.condition(signal);
  return alarms.map((alarm) => `alarm ${alarm}: ${remedies[alarm] ?? 'see the store’s own documentation'}`);
}

const remedies: Record<string, string> = {
  NOSPACE:
    'the database has reached its quota; reads and deletions go on, other writes are refused (507). ' +
    'Make room with "etcdctl compact REVISION" and "etcdctl defrag", or raise --quota-backend-bytes; ' +
    'then "etcdctl alarm disarm"',
  CORRUPT:
    'members of the store hold different data; writes are refused. Find the one that differs with ' +
    '"etcdctl endpoint hashkv --cluster", and replace it; then "etcdctl alarm disarm"',
};
