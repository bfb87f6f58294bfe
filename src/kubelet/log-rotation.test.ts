import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rotate } from './log-rotation.ts';
import { temporaryDirectory } from './testing/fixtures.ts';

test('kubelet: logs: a writer that keeps its file open goes on after the cut, and old logs are bounded', () => {
  const file = join(temporaryDirectory(), 'c.log');
  const fd = openSync(file, 'a');
  for (let i = 1; i <= 5; i++) {
    writeSync(fd, `round ${i}\n`);
    assert.equal(rotate(file, { maxBytes: 100, maxFiles: 3 }), false);
    assert.equal(rotate(file, { maxBytes: 5, maxFiles: 3 }), true);
  }
  writeSync(fd, 'now\n');
  closeSync(fd);
  assert.equal(readFileSync(file, 'utf8'), 'now\n');
  assert.equal(readFileSync(`${file}.1`, 'utf8'), 'round 5\n');
  assert.equal(readFileSync(`${file}.2`, 'utf8'), 'round 4\n');
  assert.equal(existsSync(`${file}.3`), false);
});
