/** A store in a temporary directory, without its ports. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { type Database, openDatabase } from '../backend/database.ts';
import type { LeaseBook } from '../mvcc/kv-store.ts';
import { Store } from '../store.ts';

export const randomId = (): bigint => randomBytes(8).readBigUInt64BE() >> 1n;

export const noLeases: LeaseBook = { attach() {}, detach() {} };

export function temporaryDirectory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function temporaryDatabase(t: TestContext): Database {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  const database = openDatabase(dir, randomId, new FakeClock());
  t.after(() => {
    database.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return database;
}

export function temporaryStore(
  t: TestContext,
  options: { clock?: Clock; quotaBackendBytes?: number; database?: Database; onFatal?: (error: Error) => void } = {},
): Store {
  return new Store({
    database: options.database ?? temporaryDatabase(t),
    clock: options.clock ?? new FakeClock(),
    log: silentLogger,
    randomId,
    quotaBackendBytes: options.quotaBackendBytes ?? 0,
    onFatal:
      options.onFatal ??
      ((error) => {
        throw error;
      }),
  });
}

export const putRequest = (key: string, value = 'v', lease = 0n) => ({
  key: Buffer.from(key),
  value: Buffer.from(value),
  lease,
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
});
