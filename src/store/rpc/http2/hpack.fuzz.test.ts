import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameType, frame, preface, settingsAck, settingsFrame } from './frames.ts';
import { encodeFields, HpackDecoder, HpackError } from './hpack.ts';

const name = fc.stringMatching(/^x-[a-z0-9-]{1,20}$/);
const value = fc.oneof(
  fc.stringMatching(/^[!-~]{0,40}$/),
  fc.constantFrom('application/grpc', 'trailers', 'gzip, deflate', '4999m', 'a'.repeat(3000)),
  fc.stringMatching(/^[!-~][\u0080-\u00ff!-~]{0,20}[!-~]$/),
);
const headers = fc.dictionary(name, value, { maxKeys: 12 });

test('hpack: what nghttp2 encodes, with its Huffman codes and its table, is read as it was', async () => {
  // Blocks of one connection depend on those before: each run is a connection with several requests.
  await fc.assert(
    fc.asyncProperty(fc.array(headers, { minLength: 1, maxLength: 8 }), async (requests) => {
      const read = await blocksOf(requests);
      const decoder = new HpackDecoder();
      for (const [i, block] of read.entries()) {
        const fields: Record<string, string> = {};
        decoder.decode(block, (key, text) => {
          if (key.startsWith('x-')) fields[key] = text;
        });
        assert.deepEqual(fields, { ...requests[i] });
      }
    }),
    { numRuns: 40 },
  );
});

test('hpack: any bytes: read or refused, never anything else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder();
      try {
        for (const block of blocks) decoder.decode(Buffer.from(block), () => {});
      } catch (error) {
        assert.ok(error instanceof HpackError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('hpack: the examples of RFC 7541, C.4 and C.6: Huffman codes, and a table that evicts', () => {
  const decoder = new HpackDecoder();
  const read = (hex: string) => {
    const fields: string[] = [];
    decoder.decode(Buffer.from(hex, 'hex'), (key, text) => fields.push(`${key}=${text}`));
    return fields;
  };
  assert.deepEqual(read('828684418cf1e3c2e5f23a6ba0ab90f4ff').at(-1), ':authority=www.example.com');
  assert.deepEqual(read('828684be5886a8eb10649cbf').slice(-2), [
    ':authority=www.example.com',
    'cache-control=no-cache',
  ]);
  assert.deepEqual(read('828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf').slice(-1), ['custom-key=custom-value']);
});

test('hpack: a table larger than was agreed, a list without end, a number without end: refused', () => {
  const refused = (hex: string) =>
    assert.throws(() => new HpackDecoder().decode(Buffer.from(hex, 'hex'), () => {}), HpackError);
  refused('3fe2ff7f');
  refused('ffffffffffffffffff');
  refused('be'); // the table is empty
  refused('8220'); // a new size in the middle
  refused('000141'); // ends within a text
  refused('00018184ffffffff'); // the end of a string within one
  const entry = encodeFields({ 'x-large': 'a'.repeat(3000) });
  assert.throws(() => new HpackDecoder().decode(Buffer.concat(Array(12).fill(entry)), () => {}), /too many headers/);
});

test('hpack: what is encoded is read back', () => {
  fc.assert(
    fc.property(headers, (fields) => {
      const read: Record<string, string> = {};
      new HpackDecoder().decode(encodeFields(fields), (key, text) => {
        read[key] = text;
      });
      assert.deepEqual(read, { ...fields });
    }),
  );
});

/** The header blocks that Node's HTTP/2 client makes of requests with these headers, on one connection. */
async function blocksOf(requests: readonly Record<string, string>[]): Promise<Buffer[]> {
  const blocks: Buffer[] = [];
  const complete = Promise.withResolvers<void>();
  let unread = Buffer.alloc(0);
  let block: Buffer[] = [];
  const receive = (socket: Socket, chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    if (unread.length < preface.length) return;
    if (unread.subarray(0, 3).toString() === 'PRI') unread = unread.subarray(preface.length);
    while (unread.length >= 9 && unread.length >= 9 + unread.readUIntBE(0, 3)) {
      const [type, flags] = [unread[3]!, unread[4]!];
      const payload = unread.subarray(9, 9 + unread.readUIntBE(0, 3));
      const stream = unread.readUInt32BE(5);
      unread = unread.subarray(9 + payload.length);
      if (type === FrameType.SETTINGS && flags === 0) socket.write(settingsAck);
      if (type !== FrameType.HEADERS && type !== FrameType.CONTINUATION) continue;
      // nghttp2 sends priorities only when asked to.
      block.push(payload);
      if (!(flags & 4)) continue;
      blocks.push(Buffer.concat(block));
      block = [];
      socket.write(frame(FrameType.HEADERS, 5, stream, encodeFields({ ':status': '200' })));
      if (blocks.length === requests.length) complete.resolve();
    }
  };
  const server = createServer((socket) => {
    socket.write(settingsFrame([]));
    socket.on('data', (chunk) => receive(socket, chunk as Buffer));
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
  for (const fields of requests) {
    const stream = client.request({ ...fields, [constants.HTTP2_HEADER_METHOD]: 'POST' }, { endStream: true });
    stream.on('error', () => {});
    stream.resume();
  }
  await complete.promise;
  client.destroy();
  server.close();
  return blocks;
}
