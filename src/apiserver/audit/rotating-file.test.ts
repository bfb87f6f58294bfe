import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { RotatingFile, type RotatingFileOptions } from './rotating-file.ts';

const clockStart = Date.UTC(2026, 0, 31, 9, 8, 7, 123);

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'evenkeel-audit-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function optionsFor(
  t: TestContext,
  rest: Partial<RotatingFileOptions> = {},
): RotatingFileOptions & { clock: FakeClock } {
  return {
    path: join(directoryFor(t), 'audit.log'),
    maxSizeMegabytes: 1,
    maxAgeDays: 0,
    maxBackups: 0,
    compress: false,
    onTidyError: (error) => assert.fail(String(error)),
    ...rest,
    clock: new FakeClock(clockStart),
  };
}

const namesIn = (path: string) => readdirSync(join(path, '..')).sort();
const halfMegabyte = (letter: string) => Buffer.from(`${letter.repeat(512 * 1024 - 1)}\n`);

test('audit file: size: a new file is begun before the old one would exceed it', async (t) => {
  const options = optionsFor(t);
  const file = new RotatingFile(options);
  for (const letter of ['a', 'b', 'c']) file.writeSync(halfMegabyte(letter));
  await file.close();
  assert.deepEqual(namesIn(options.path), ['audit-2026-01-31T09-08-07.123.log', 'audit.log']);
  assert.equal(statSync(join(options.path, '..', 'audit-2026-01-31T09-08-07.123.log')).size, 1024 * 1024);
  assert.equal(readFileSync(options.path, 'utf8')[0], 'c');
  assert.equal(statSync(options.path).mode & 0o777, 0o600);
});

test('audit file: start: what is there is added to, and counts', async (t) => {
  const options = optionsFor(t);
  writeFileSync(options.path, halfMegabyte('a'));
  const file = new RotatingFile(options);
  file.writeSync(Buffer.from('b\n'));
  assert.equal(namesIn(options.path).length, 1);
  file.writeSync(halfMegabyte('c'));
  await file.close();
  assert.equal(namesIn(options.path).length, 2);
});

test('audit file: start: its directory is made', async (t) => {
  const path = join(directoryFor(t), 'new', 'audit.log');
  await new RotatingFile({ ...optionsFor(t), path }).close();
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
});

test('audit file: size: one entry larger than a file has one of its own', async (t) => {
  const options = optionsFor(t);
  const file = new RotatingFile(options);
  file.writeSync(Buffer.from('a\n'));
  await file.write(Buffer.alloc(3 * 1024 * 1024, 'b'));
  file.writeSync(Buffer.from('c\n'));
  await file.close();
  const sizes = namesIn(options.path).map((name) => statSync(join(options.path, '..', name)).size);
  assert.deepEqual(sizes, [2, 3 * 1024 * 1024, 2]);
});

test('audit file: backups: the oldest beyond the number go; other files are left alone', async (t) => {
  const options = optionsFor(t, { maxBackups: 2 });
  for (const name of ['audit-notes.log', 'audit-2026-01-01T00-00-00.000.txt', 'other-2026-01-01T00-00-00.000.log'])
    writeFileSync(join(options.path, '..', name), '');
  const file = new RotatingFile(options);
  for (let i = 0; i < 12; i++) {
    file.writeSync(halfMegabyte('a'));
    await options.clock.advance(1000);
  }
  await file.close();
  assert.deepEqual(namesIn(options.path), [
    'audit-2026-01-01T00-00-00.000.txt',
    'audit-2026-01-31T09-08-15.123.log',
    'audit-2026-01-31T09-08-17.123.log',
    'audit-notes.log',
    'audit.log',
    'other-2026-01-01T00-00-00.000.log',
  ]);
});

test('audit file: age: old files go at the next start', async (t) => {
  const options = optionsFor(t, { maxAgeDays: 2 });
  const file = new RotatingFile(options);
  for (const letter of ['a', 'b', 'c']) file.writeSync(halfMegabyte(letter));
  await file.close();
  await options.clock.advance(2 * 86_400_000);
  await new RotatingFile(options).close();
  assert.equal(namesIn(options.path).length, 2, 'two days old: not yet');
  await options.clock.advance(1);
  await new RotatingFile(options).close();
  assert.deepEqual(namesIn(options.path), ['audit.log']);
});

test('audit file: compression: old files, whole, also one that an earlier process left', async (t) => {
  const options = optionsFor(t, { compress: true, maxBackups: 2 });
  const left = join(options.path, '..', 'audit-2026-01-30T00-00-00.000.log');
  writeFileSync(left, 'left\n');
  writeFileSync(`${left}.gz`, 'half');
  const file = new RotatingFile(options);
  for (const letter of ['a', 'b', 'c']) file.writeSync(halfMegabyte(letter));
  await file.close();
  assert.deepEqual(namesIn(options.path), [
    'audit-2026-01-30T00-00-00.000.log.gz',
    'audit-2026-01-31T09-08-07.123.log.gz',
    'audit.log',
  ]);
  assert.equal(gunzipSync(readFileSync(`${left}.gz`)).toString(), 'left\n');
  const backup = join(options.path, '..', 'audit-2026-01-31T09-08-07.123.log.gz');
  assert.equal(gunzipSync(readFileSync(backup)).length, 1024 * 1024);
  assert.equal(statSync(backup).mode & 0o777, 0o600);
});

test('audit file: names: two backups within a millisecond are two files', async (t) => {
  const options = optionsFor(t);
  const file = new RotatingFile(options);
  for (const letter of ['a', 'b', 'c', 'd', 'e']) file.writeSync(halfMegabyte(letter));
  await file.close();
  assert.equal(namesIn(options.path).length, 3);
});

test('audit file: full disk: a write throws, and the next is tried again', {
  skip: !existsSync('/dev/full'),
}, async (t) => {
  const file = new RotatingFile({ ...optionsFor(t), path: '/dev/full', maxBackups: 0 });
  assert.throws(() => file.writeSync(Buffer.from('a\n')), { code: 'ENOSPC' });
  await assert.rejects(file.write(Buffer.from('a\n')), { code: 'ENOSPC' });
  await file.close();
});
