import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { Code } from '#etcd/grpc-status.ts';
import { framed } from './grpc-messages.ts';
import { GrpcServer, type ServerStream, type StreamMethod, type UnaryMethod } from './grpc-server.ts';
import { ErrorCode, Flag, FrameType, frame, preface, Setting, settingsFrame, windowUpdate } from './http2/frames.ts';
import { encodeFields, HpackDecoder } from './http2/hpack.ts';

const text = { decode: (bytes: Buffer) => decoded(bytes), encode: (value: string) => Buffer.from(value) };
const messageBytesMax = 100_000;

function decoded(bytes: Buffer): string {
  if (bytes[0] === 0xff) throw new RangeError('no text');
  return bytes.toString();
}

async function start(t: TestContext) {
  const clock = new FakeClock();
  const waiting: (() => void)[] = [];
  const streams: ServerStream<string, string>[] = [];
  const unary = (fn: UnaryMethod['unary']): UnaryMethod => ({ request: text, response: text, unary: fn });
  const echo: StreamMethod = {
    request: text,
    response: text,
    isRequestStream: true,
    stream(call) {
      streams.push(call);
      call.on('data', ({ body }) => call.write(`<${body}>`));
      call.on('end', () => call.end());
    },
  };
  const methods = new Map<string, UnaryMethod | StreamMethod>([
    ['/test.Test/Echo', unary((body) => `<${body}>`)],
    ['/test.Test/Large', unary((body) => 'x'.repeat(Number(body)))],
    ['/test.Test/Wait', unary(() => new Promise((resolve) => waiting.push(() => resolve('late'))))],
    ['/test.Test/Refuse', unary(() => Promise.reject(new Error('no: 100 % ü')))],
    ['/test.Test/Stream', echo],
  ]);
  const statusOf = (error: unknown) => ({ code: Code.NOT_FOUND, details: (error as Error).message });
  const grpc = new GrpcServer({ methods, statusOf, messageBytesMax, clock });
  const server = createServer((socket) => grpc.serve(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    grpc.destroy();
    server.close();
  });
  return { grpc, clock, waiting, streams, port: (server.address() as { port: number }).port };
}

interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
  fields: Record<string, string>;
}

/** A client that says what a test tells it to, frame by frame. */
async function openRaw(t: TestContext, port: number, settings: readonly (readonly [number, number])[] = []) {
  const socket: Socket = connectTcp({ host: '127.0.0.1', port });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  const frames: Frame[] = [];
  const decoder = new HpackDecoder();
  let unread = Buffer.alloc(0);
  let wake = () => {};
  let isClosed = false;
  socket.on('data', (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    while (unread.length >= 9 && unread.length >= 9 + unread.readUIntBE(0, 3)) {
      const payload = unread.subarray(9, 9 + unread.readUIntBE(0, 3));
      const one: Frame = { type: unread[3]!, flags: unread[4]!, stream: unread.readUInt32BE(5), payload, fields: {} };
      unread = unread.subarray(9 + payload.length);
      if (one.type === FrameType.HEADERS) {
        decoder.decode(payload, (name, value) => {
          one.fields[name] = value;
        });
      }
      frames.push(one);
    }
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
    wake();
  });
  socket.write(Buffer.concat([preface, settingsFrame(settings)]));
  const until = async <T>(find: () => T | undefined | false): Promise<T> => {
    const timeout = AbortSignal.timeout(10_000);
    for (;;) {
      const found = find();
      if (found) return found;
      if (timeout.aborted)
        throw new Error(`nothing such came: ${JSON.stringify(frames.map((f) => [f.type, f.fields]))}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
        timeout.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  };
  return {
    frames,
    until,
    send: (...parts: Buffer[]) => socket.write(Buffer.concat(parts)),
    closed: () => until(() => isClosed),
    goAway: () => until(() => frames.find(({ type }) => type === FrameType.GOAWAY)),
    status: async (stream: number) => {
      const { fields } = await until(() => frames.find((f) => f.stream === stream && f.fields['grpc-status']));
      return [Number(fields['grpc-status']), decodeURIComponent(fields['grpc-message'] ?? '')];
    },
    /** The messages of a stream, with their prefixes. */
    data: (stream: number) =>
      Buffer.concat(frames.filter((f) => f.stream === stream && f.type === FrameType.DATA).map((f) => f.payload)),
  };
}

const call = (method: string, fields: Record<string, string> = {}) =>
  encodeFields({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': `/test.Test/${method}`,
    'content-type': 'application/grpc',
    ...fields,
  });
const headers = (stream: number, block: Buffer, flags: number = Flag.END_HEADERS) =>
  frame(FrameType.HEADERS, flags, stream, block);
const data = (stream: number, bytes: Buffer, isEnd = true) =>
  frame(FrameType.DATA, isEnd ? Flag.END_STREAM : 0, stream, bytes);
const message = (body: string) => framed(Buffer.from(body));
const code = ({ payload }: Frame) => [payload.readUInt32BE(4), payload.subarray(8).toString()];

test('grpc: a call: the answer and its status', async (t) => {
  const { port } = await start(t);
  const raw = await openRaw(t, port);
  raw.send(headers(1, call('Echo')), data(1, message('a')));
  assert.deepEqual(await raw.status(1), [Code.OK, '']);
  assert.deepEqual(raw.data(1), message('<a>'));
});

test('grpc: bytes arrive one by one: no difference', async (t) => {
  const { port } = await start(t);
  const raw = await openRaw(t, port);
  const bytes = Buffer.concat([headers(1, call('Echo')), data(1, message('abc').subarray(0, 3), false)]);
  for (const byte of Buffer.concat([bytes, data(1, message('abc').subarray(3))])) raw.send(Buffer.from([byte]));
  assert.deepEqual(await raw.status(1), [Code.OK, '']);
  assert.deepEqual(raw.data(1), message('<abc>'));
});

test('grpc: an error: its code, and its text in any script', async (t) => {
  const { port } = await start(t);
  const raw = await openRaw(t, port);
  raw.send(headers(1, call('Refuse')), data(1, message('a')));
  assert.deepEqual(await raw.status(1), [Code.NOT_FOUND, 'no: 100 % ü']);
});

test('grpc: what is no call of a method: the status that says so', async (t) => {
  const { port } = await start(t);
  const raw = await openRaw(t, port);
  raw.send(headers(1, call('Nothing')), headers(3, call('Echo', { ':path': '/other.Service/Echo' })));
  assert.deepEqual(await raw.status(1), [Code.UNIMPLEMENTED, 'unknown method Nothing for service test.Test']);
  assert.deepEqual(await raw.status(3), [Code.UNIMPLEMENTED, 'unknown service other.Service']);
  raw.send(
    headers(5, call('Echo', { 'content-type': 'application/json' })),
    headers(7, call('Echo', { ':method': 'GET' })),
  );
  for (const stream of [5, 7])
    await raw.until(() => raw.frames.find((f) => f.stream === stream && f.fields[':status'] === '415'));
});

test('grpc: messages that are not what they say: refused, and the connection goes on', async (t) => {
  const { port } = await start(t);
  const raw = await openRaw(t, port);
  const refused = async (stream: number, bytes: Buffer, expected: number, words: RegExp, fields = {}) => {
    raw.send(headers(stream, call('Echo', fields)), data(stream, bytes));
    const [status, details] = await raw.status(stream);
    assert.equal(status, expected, String(details));
    assert.match(String(details), words);
  };
  const tooLarge = Buffer.alloc(5);
  tooLarge.writeUInt32BE(0xffff_ffff, 1);
  await refused(1, tooLarge, Code.RESOURCE_EXHAUSTED, /larger than max \(4294967295 vs\. 100000\)/);
  await refused(3, message('abc').subarray(0, 6), Code.INTERNAL, /ended within a message/);
  await refused(5, Buffer.alloc(0), Code.INTERNAL, /no request/);
  await refused(7, Buffer.concat([message('a'), message('b')]), Code.INTERNAL, /more than one/);
  await refused(9, framed(Buffer.from([0xff])), Code.INTERNAL, /unmarshalling request: no text/);
  const compressed = Buffer.from([1, 0, 0, 0, 1, 0]);
  await refused(11, compressed, Code.UNIMPLEMENTED, /not installed for grpc-encoding "gzip"/, {
    'grpc-encoding': 'gzip',
  });
  await refused(13, compressed, Code.INTERNAL, /compressed flag set/);
  await refused(15, Buffer.from([7, 0, 0, 0, 0]), Code.INTERNAL, /unexpected payload format 7/);
  await refused(17, message('a'), Code.INTERNAL, /malformed grpc-timeout/, { 'grpc-timeout': 'soon' });
  raw.send(headers(19, call('Echo')), data(19, message('still here')));
  assert.deepEqual(await raw.status(19), [Code.OK, '']);
});

test('grpc: a deadline that passes: the call ends, and its late answer goes nowhere', async (t) => {
  const { port, clock, waiting } = await start(t);
  const raw = await openRaw(t, port);
  raw.send(headers(1, call('Wait', { 'grpc-timeout': '1500m' })), data(1, message('a')));
  raw.send(headers(3, call('Stream', { 'grpc-timeout': '1500m' })));
  raw.send(headers(5, call('Echo')), data(5, message('a')));
  await raw.status(5);
  await clock.advance(1000);
  assert.equal(
    raw.frames.some((f) => f.stream === 1),
    false,
  );
  await clock.advance(1000);
  assert.equal((await raw.status(1))[0], Code.DEADLINE_EXCEEDED);
  assert.equal((await raw.status(3))[0], Code.DEADLINE_EXCEEDED);
  waiting[0]!();
  raw.send(headers(7, call('Echo')), data(7, message('a')));
  await raw.status(7);
  assert.equal(raw.data(1).length, 0);
});

test('grpc: a stream: answers as they come, ended by the client, cancelled by a reset', async (t) => {
  const { port, streams } = await start(t);
  const raw = await openRaw(t, port);
  raw.send(
    headers(1, call('Stream')),
    data(1, Buffer.concat([message('a'), message('b')]), false),
    data(1, message('c')),
  );
  assert.deepEqual(await raw.status(1), [Code.OK, '']);
  assert.deepEqual(raw.data(1), Buffer.concat(['<a>', '<b>', '<c>'].map(message)));
  raw.send(headers(3, call('Stream')));
  await raw.until(() => raw.frames.find((f) => f.stream === 3 && f.fields[':status']));
  const cancelled = once(streams[1]!, 'cancelled');
  raw.send(frame(FrameType.RST_STREAM, 0, 3, Buffer.from([0, 0, 0, 8])));
  await cancelled;
  assert.equal(streams[1]!.cancelled, true);
  assert.equal(streams[1]!.write('into the void'), true);
});

test('grpc: a client with a small window: gets as much as it lets in, and all of it in the end', async (t) => {
  const { port } = await start(t);
  const raw = await openRaw(t, port, [[Setting.INITIAL_WINDOW_SIZE, 10]]);
  raw.send(headers(1, call('Large')), data(1, message('1000')));
  await raw.until(() => raw.data(1).length >= 10);
  raw.send(headers(3, call('Echo')), data(3, message('a')));
  await raw.status(3);
  assert.equal(raw.data(1).length, 10);
  raw.send(frame(FrameType.WINDOW_UPDATE, 0, 1, Buffer.from([0, 0, 2, 0])));
  await raw.until(() => raw.data(1).length >= 522);
  raw.send(settingsFrame([[Setting.INITIAL_WINDOW_SIZE, 2000]]));
  await raw.status(1);
  assert.equal(raw.data(1).length, 1005);
});

test('grpc: who writes more than is read: is told, and told again when there is room', async (t) => {
  const { port, streams } = await start(t);
  const raw = await openRaw(t, port, [[Setting.INITIAL_WINDOW_SIZE, 1000]]);
  raw.send(headers(1, call('Stream')));
  await raw.until(() => raw.frames.find((f) => f.stream === 1));
  const stream = streams[0]!;
  assert.equal(stream.write('x'.repeat(1000)), true);
  assert.equal(stream.write('x'.repeat(300_000)), false);
  const drained = once(stream, 'drain');
  raw.send(frame(FrameType.WINDOW_UPDATE, 0, 1, Buffer.from([0, 0x10, 0, 0])));
  raw.send(frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.from([0, 0x10, 0, 0])));
  await drained;
  await raw.until(() => raw.data(1).length === 301_010);
});

test('grpc: a paused stream: the client may send a window of it, and more when it goes on', async (t) => {
  const { port, streams } = await start(t);
  const raw = await openRaw(t, port);
  raw.send(headers(1, call('Stream')));
  await raw.until(() => raw.frames.find((f) => f.stream === 1));
  streams[0]!.pause();
  for (let i = 0; i < 40; i++) raw.send(data(1, message('x'.repeat(15_000)), false));
  raw.send(headers(3, call('Echo')), data(3, message('a')));
  await raw.status(3);
  const windows = () => raw.frames.filter((f) => f.type === FrameType.WINDOW_UPDATE && f.stream === 1).length;
  assert.equal(windows(), 0);
  assert.equal(raw.data(1).length, 0);
  streams[0]!.resume();
  await raw.until(() => windows() > 0 && raw.data(1).length > 0);
});

const violations: [what: string, expected: number, words: RegExp, bytes: (open: Buffer) => Buffer[]][] = [
  ['a frame larger than agreed', ErrorCode.FRAME_SIZE_ERROR, /too large/, () => [data(1, Buffer.alloc(16_385))]],
  ['data on a stream nobody opened', ErrorCode.PROTOCOL_ERROR, /idle/, () => [data(5, message('a'))]],
  ['a stream of the server', ErrorCode.PROTOCOL_ERROR, /no stream of a client/, () => [headers(2, call('Echo'))]],
  [
    'data after the end',
    ErrorCode.STREAM_CLOSED,
    /after the end/,
    () => [headers(1, call('Wait')), data(1, message('a')), data(1, message('b'))],
  ],
  [
    'a header block without end',
    ErrorCode.ENHANCE_YOUR_CALM,
    /headers too large/,
    () => [
      headers(1, call('Echo'), 0),
      ...Array.from({ length: 40 }, () => frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(0))),
    ],
  ],
  [
    'a header block that is interrupted',
    ErrorCode.PROTOCOL_ERROR,
    /interrupted/,
    () => [headers(1, call('Echo'), 0), data(1, message('a'))],
  ],
  [
    'a header block that cannot be read',
    ErrorCode.COMPRESSION_ERROR,
    /no such index/,
    () => [headers(1, Buffer.from([0xff, 0x80, 0x01]))],
  ],
  [
    'padding longer than its frame',
    ErrorCode.PROTOCOL_ERROR,
    /padding/,
    (open) => [open, frame(FrameType.DATA, Flag.PADDED, 1, Buffer.from([9, 0]))],
  ],
  [
    'a window beyond all bounds',
    ErrorCode.FLOW_CONTROL_ERROR,
    /window/,
    () => [frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))],
  ],
  ['a push', ErrorCode.PROTOCOL_ERROR, /push/, () => [frame(FrameType.PUSH_PROMISE, 0, 1, Buffer.alloc(4))]],
  [
    'settings of half a setting',
    ErrorCode.FRAME_SIZE_ERROR,
    /settings/,
    () => [frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(5))],
  ],
];
for (const [what, expected, words, bytes] of violations) {
  test(`grpc: broken protocol: ${what}: told why, and cut off`, async (t) => {
    const { port } = await start(t);
    const raw = await openRaw(t, port);
    raw.send(...bytes(headers(1, call('Stream'))));
    const [errorCode, why] = code(await raw.goAway());
    assert.equal(errorCode, expected, String(why));
    assert.match(String(why), words);
    await raw.closed();
  });
}

test('grpc: more data than the window allows: cut off', async (t) => {
  const { port, streams } = await start(t);
  const raw = await openRaw(t, port);
  raw.send(headers(1, call('Stream')));
  await raw.until(() => raw.frames.find((f) => f.stream === 1));
  streams[0]!.pause();
  for (let i = 0; i < 80; i++) raw.send(data(1, Buffer.alloc(15_000), false));
  assert.equal(code(await raw.goAway())[0], ErrorCode.FLOW_CONTROL_ERROR);
});

test('grpc: who does not speak HTTP/2: cut off', async (t) => {
  const { port } = await start(t);
  const socket = connectTcp({ host: '127.0.0.1', port });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.resume();
  socket.write('PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n');
  await once(socket, 'close');
});

test('grpc: pings in a row without a call: the third is forgiven, the fourth is too many', async (t) => {
  const { port } = await start(t);
  const raw = await openRaw(t, port);
  const ping = frame(FrameType.PING, 0, 0, Buffer.alloc(8, 1));
  raw.send(ping, ping, ping);
  await raw.until(() => raw.frames.filter((f) => f.type === FrameType.PING).length === 3);
  assert.equal(
    raw.frames.some((f) => f.type === FrameType.GOAWAY),
    false,
  );
  raw.send(ping);
  assert.deepEqual(code(await raw.goAway()), [ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings']);
});

test('grpc: a ping upon each piece of an answer, as Go clients measure the line: never too many', async (t) => {
  const { port } = await start(t);
  const raw = await openRaw(t, port);
  const ping = frame(FrameType.PING, 0, 0, Buffer.alloc(8, 1));
  const pieces = (stream: number) => raw.frames.filter((f) => f.type === FrameType.DATA && f.stream === stream);
  const isCutOff = () => raw.frames.some((f) => f.type === FrameType.GOAWAY);
  // One large message, as fast as the windows are opened for it.
  const bytes = 400_000;
  raw.send(headers(1, call('Large')), data(1, message(String(bytes))));
  const got = () => pieces(1).reduce((sum, f) => sum + f.payload.length, 0);
  for (let seen = 0; seen < bytes; seen = got()) {
    await raw.until(() => got() > seen || isCutOff());
    assert.equal(isCutOff(), false, `after ${got()} bytes`);
    raw.send(ping, windowUpdate(0, 20_000), windowUpdate(1, 20_000));
  }
  // Many small ones on a stream that stays.
  raw.send(headers(3, call('Stream')));
  for (let i = 1; i <= 10; i++) {
    raw.send(data(3, message('a'), false));
    await raw.until(() => pieces(3).length === i || isCutOff());
    assert.equal(isCutOff(), false, `after ${i} messages`);
    raw.send(ping);
  }
  raw.send(headers(5, call('Echo')), data(5, message('b')));
  await raw.until(() => pieces(5).length === 1 || isCutOff());
  assert.equal(isCutOff(), false);
});

test('grpc: a connection that is silent: asked, and ended when it does not answer', async (t) => {
  const { port, clock } = await start(t);
  const raw = await openRaw(t, port);
  await raw.until(() => raw.frames.find((f) => f.type === FrameType.SETTINGS && f.flags === Flag.ACK));
  await clock.advance(62_000);
  const asked = await raw.until(() => raw.frames.find((f) => f.type === FrameType.PING));
  raw.send(frame(FrameType.PING, Flag.ACK, 0, asked.payload), headers(1, call('Echo')), data(1, message('a')));
  await raw.status(1);
  await clock.advance(62_000);
  await raw.until(() => raw.frames.filter((f) => f.type === FrameType.PING).length === 2);
  await clock.advance(21_000);
  await raw.closed();
});

test('grpc: the end: what is open is finished, nothing new is taken', async (t) => {
  const { grpc, port, waiting } = await start(t);
  const raw = await openRaw(t, port);
  raw.send(headers(1, call('Wait')), data(1, message('a')));
  const end = new Promise<void>((resolve) => {
    const look = () => (waiting.length > 0 ? resolve(grpc.shutdown()) : setImmediate(look));
    look();
  });
  await raw.goAway();
  raw.send(headers(3, call('Echo')), data(3, message('a')));
  const reset = await raw.until(() => raw.frames.find((f) => f.type === FrameType.RST_STREAM && f.stream === 3));
  assert.equal(reset.payload.readUInt32BE(0), ErrorCode.REFUSED_STREAM);
  waiting[0]!();
  assert.deepEqual(await raw.status(1), [Code.OK, '']);
  await end;
  await raw.closed();
});

test("grpc: Node's own client, many calls at once, all sizes: each gets its own answer", async (t) => {
  const { port } = await start(t);
  const client = connectHttp2(`http://127.0.0.1:${port}`);
  t.after(() => client.destroy());
  const ask = async (body: string) => {
    const stream = client.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/test.Test/Echo',
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-request': body.slice(0, 30),
    });
    stream.end(message(body));
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part);
    assert.deepEqual(Buffer.concat(parts), message(`<${body}>`));
  };
  await Promise.all(Array.from({ length: 300 }, (_, i) => ask(String(i % 10).repeat((i * i) % 90_000))));
});

test('grpc: any bytes, any frames: the server goes on for the others', async (t) => {
  const { port } = await start(t);
  const other = await openRaw(t, port);
  const anyFrame = fc
    .tuple(
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 9 }),
      fc.uint8Array({ maxLength: 60 }),
    )
    .map(([type, flags, stream, payload]) => frame(type, flags, stream, Buffer.from(payload)));
  const wellFormed = fc.constantFrom(
    headers(1, call('Echo')),
    headers(3, call('Stream')),
    data(1, message('a')),
    data(3, message('b'), false),
  );
  const parts = fc.array(
    fc.oneof(
      anyFrame,
      wellFormed,
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 20 },
  );
  let stream = 1;
  await fc.assert(
    fc.asyncProperty(parts, async (bytes) => {
      const socket = connectTcp({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      socket.resume();
      await once(socket, 'connect');
      socket.end(Buffer.concat([preface, settingsFrame([]), ...bytes]));
      await once(socket, 'close');
      other.send(headers(stream, call('Echo')), data(stream, message('a')));
      assert.deepEqual(await other.status(stream), [Code.OK, '']);
      stream += 2;
    }),
    { numRuns: 150 },
  );
});
