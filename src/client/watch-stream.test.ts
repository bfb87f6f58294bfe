import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { StatusError } from '#apimachinery/status-error.ts';
import { readWatchEvents, splitLines } from './watch-stream.ts';

test('client: watch stream: lines come whole however the bytes were cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).filter((s) => !/[\r\n]/.test(s))),
      fc.integer({ min: 1, max: 7 }),
      async (lines, size) => {
        const bytes = Buffer.from(lines.map((l) => `${l}\n`).join(''));
        const chunks: Buffer[] = [];
        for (let i = 0; i < bytes.length; i += size) chunks.push(bytes.subarray(i, i + size));
        const seen: string[] = [];
        for await (const line of splitLines(Readable.from(chunks))) seen.push(line);
        assert.deepEqual(seen, lines);
      },
    ),
    { numRuns: 50 },
  );
});

test('client: watch stream: an ERROR event is thrown as the StatusError it carries', async () => {
  const body = [
    '{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a"}}}\n',
    '{"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"too old","reason":"Expired","code":410}}\n',
  ];
  const seen: string[] = [];
  await assert.rejects(
    async () => {
      for await (const event of readWatchEvents(Readable.from(body.map((l) => Buffer.from(l))))) seen.push(event.type);
    },
    (e: unknown) => e instanceof StatusError && e.reason === 'Expired' && e.code === 410,
  );
  assert.deepEqual(seen, ['ADDED']);
});
