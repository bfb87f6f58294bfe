/** What the watch cache needs for an object: heap and buffers, by a process that does nothing else. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startStore } from './api-server.ts';

export interface CacheMemory {
  /** Bytes an object that was listed at the start. */
  listed: number;
  /** Of one that was created while the server ran: its event is remembered too. */
  created: number;
  /** After each was changed once: of as many as the events remembered, the states before are kept too. */
  updated: number;
}

export async function cacheMemory(objects: number, storedBytes: number): Promise<CacheMemory> {
  const store = await startStore();
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(import.meta.dirname, 'cached-objects.ts'),
      store.url,
      String(objects),
      String(storedBytes),
    ]);
    return JSON.parse(stdout);
  } finally {
    await store.stop();
  }
}
