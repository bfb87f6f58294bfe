import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WatchBuffers } from './watch-buffers.ts';

const mib = 1024 * 1024;

test('watch buffers: one watch: up to its own bound', () => {
  const buffers = new WatchBuffers(100 * mib);
  assert.equal(buffers.changed(0, 3 * mib), true);
  assert.equal(buffers.changed(3 * mib, 4 * mib), false);
  assert.equal(buffers.changed(4 * mib, 0), true);
  assert.equal(buffers.bytes, 0);
});

test('watch buffers: many slow watches: cut off sooner, and never the quick ones', () => {
  const buffers = new WatchBuffers(10 * mib);
  for (let i = 0; i < 10; i++) assert.equal(buffers.changed(0, mib), true);
  assert.equal(buffers.changed(0, 1000), true, 'one that keeps up');
  assert.equal(buffers.changed(mib, mib + 1000), false, 'one that does not');
  buffers.changed(mib + 1000, 0);
  assert.equal(buffers.changed(mib, mib + 1000), true, 'there is room again');
});
