import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import type { StreamedBody } from '../request.ts';
import { writeStreamedBody } from './streamed-body.ts';

/** Counts upwards, so that a chunk which was filled too early shows. */
class Numbers implements StreamedBody {
  readonly byteLength: number;
  given = 0;

  constructor(byteLength: number) {
    this.byteLength = byteLength;
  }

  read(into: Buffer): number {
    const size = Math.min(into.length, this.byteLength - this.given);
    for (let i = 0; i < size; i++) into[i] = (this.given + i) % 251;
    this.given += size;
    return size;
  }
}

test('streamed body: a client that reads: all of it, each chunk as it was until it is taken', async () => {
  for (const length of [1, 64 * 1024, 64 * 1024 + 1, 3_000_000]) {
    let at = 0;
    const out = new Writable({
      write(chunk: Buffer, _encoding, done) {
        setImmediate(() => {
          for (const byte of chunk) if (byte !== at++ % 251) return done(new Error(`wrong at ${at}`));
          done();
        });
      },
    });
    const ended = new Promise((resolve, reject) => out.on('finish', resolve).on('error', reject));
    writeStreamedBody(out, new Numbers(length));
    await ended;
    assert.equal(at, length);
  }
});

test('streamed body: a client that does not read: four chunks, and no more', async () => {
  let take = (): void => {};
  const out = new Writable({
    write(_chunk, _encoding, done) {
      take = done;
    },
  });
  const body = new Numbers(10_000_000);
  writeStreamedBody(out, body);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(body.given, 4 * 64 * 1024);
  take();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(body.given, 5 * 64 * 1024);
  out.destroy();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(body.given, 5 * 64 * 1024, 'nothing more is made for one that has gone');
});
