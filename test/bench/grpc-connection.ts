/**
 * A gRPC client that costs next to nothing, so that what is measured is the server: HTTP/2 frames written by hand over
 * a socket, one call at a time or one open stream, header blocks of the answers not even decoded. Not for anything but
 * benchmarks against servers of our own choice: it ends with an error at the first thing it does not expect.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureContextOptions } from 'node:tls';

const frameType = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const endStream = 0x1;
const endHeaders = 0x4;
const ack = 0x1;
const frameHeaderBytes = 9;
/** Of a gRPC message: not compressed, and its length. */
export const prefixBytes = 5;
const windowBytes = 2 ** 31 - 1;
const windowRefillBytes = 2 ** 24;

/** Called with each piece of an answer; `isEnd` once, with the last. */
export type OnData = (data: Buffer, isEnd: boolean) => void;

export interface GrpcConnection {
  /** The frames of a call of this method with this message: send() may be called with them, one call after the other. */
  call(path: string, message: Buffer, options?: { isOpen?: boolean }): Call;
  /** One more message on the stream of the last call. */
  more(message: Buffer): void;
  onData: OnData;
  close(): void;
}

export interface Call {
  /** The message within the frames: may be changed before each send. */
  message: Buffer;
  send(): void;
}

export interface Target {
  port: number;
  tls?: SecureContextOptions;
}

export async function openConnection({ port, tls }: Target): Promise<GrpcConnection> {
  const socket: Socket = tls
    ? connectTls({ ...tls, host: '127.0.0.1', port, ALPNProtocols: ['h2'], rejectUnauthorized: false })
    : connect({ host: '127.0.0.1', port });
  await once(socket, tls ? 'secureConnect' : 'connect');
  socket.setNoDelay(true);
  socket.write(
    Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      // ENABLE_PUSH 0, INITIAL_WINDOW_SIZE as large as it gets.
      frame(frameType.settings, 0, 0, Buffer.from([0, 2, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff])),
      windowUpdate(windowBytes - 65_535),
    ]),
  );
  let nextStream = 1;
  let indexedPath: string | undefined;
  let unread: Buffer | undefined;
  let consumed = 0;
  let hasClosed = false;
  const connection: GrpcConnection = {
    onData: () => {},
    call(path, message, { isOpen = false } = {}) {
      const first = encodeFrames(headerBlock(path, tls !== undefined), message, isOpen);
      const later = encodeFrames(indexedHeaderBlock(tls !== undefined), message, isOpen);
      return {
        message: later.message,
        send() {
          let frames = later;
          if (indexedPath !== path) {
            if (indexedPath !== undefined) throw new Error('one connection is for one method');
            indexedPath = path;
            frames = first;
            later.message.copy(first.message);
          }
          frames.bytes.writeUInt32BE(nextStream, 5);
          frames.bytes.writeUInt32BE(nextStream, frames.dataAt + 5);
          nextStream += 2;
          socket.write(frames.bytes);
        },
      };
    },
    more: (message) =>
      void socket.write(frame(frameType.data, 0, nextStream - 2, Buffer.concat([prefixOf(message), message]))),
    close() {
      hasClosed = true;
      socket.destroy();
    },
  };
  const fail = (why: string) => {
    if (!hasClosed) throw new Error(`the server of port ${port} ${why}`);
  };
  const onFrame = (type: number, flags: number, payload: Buffer) => {
    if (type === frameType.data) {
      consumed += payload.length;
      if (consumed >= windowRefillBytes) {
        socket.write(windowUpdate(consumed));
        consumed = 0;
      }
      connection.onData(payload, (flags & endStream) !== 0);
    } else if (type === frameType.headers) {
      if (flags & endStream) connection.onData(nothing, true);
    } else if (type === frameType.settings || type === frameType.ping) {
      if (!(flags & ack)) socket.write(frame(type, ack, 0, type === frameType.ping ? payload : nothing));
    } else if (type === frameType.goAway || type === frameType.rstStream) {
      fail(`ended the ${type === frameType.goAway ? 'connection' : 'stream'}: ${payload.toString('latin1')}`);
    }
  };
  socket.on('data', (chunk: Buffer) => {
    const bytes = unread ? Buffer.concat([unread, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= frameHeaderBytes) {
      const end = at + frameHeaderBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      onFrame(bytes[at + 3]!, bytes[at + 4]!, bytes.subarray(at + frameHeaderBytes, end));
      at = end;
    }
    unread = at < bytes.length ? bytes.subarray(at) : undefined;
  });
  socket.on('error', (error) => fail(`closed the connection: ${error.message}`));
  socket.on('close', () => fail('closed the connection'));
  return connection;
}

const nothing = Buffer.alloc(0);

function encodeFrames(headers: Buffer, message: Buffer, isOpen: boolean) {
  const headersFrame = frame(frameType.headers, endHeaders, 0, headers);
  const dataFrame = frame(frameType.data, isOpen ? 0 : endStream, 0, Buffer.concat([prefixOf(message), message]));
  const bytes = Buffer.concat([headersFrame, dataFrame]);
  const dataAt = headersFrame.length;
  return { bytes, dataAt, message: bytes.subarray(bytes.length - message.length) };
}

function prefixOf(message: Buffer): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return prefix;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(frameType.windowUpdate, 0, 0, payload);
}

/** HPACK: what repeats goes into the dynamic table with the first call, as any client does. */
function headerBlock(path: string, isTls: boolean): Buffer {
  return Buffer.concat([
    Buffer.from([0x83, isTls ? 0x87 : 0x86]),
    indexed(0x44, path),
    indexed(0x41, '127.0.0.1'),
    indexed(0x5f, 'application/grpc'),
    Buffer.from([0x40, 2]),
    Buffer.from('te'),
    indexed(undefined, 'trailers'),
    indexed(0x7a, 'bench'),
  ]);
}

/** The newest entry of the dynamic table is 62. */
const indexedHeaderBlock = (isTls: boolean): Buffer =>
  Buffer.from([0x83, isTls ? 0x87 : 0x86, ...[66, 65, 64, 63, 62].map((index) => 0x80 | index)]);

function indexed(name: number | undefined, value: string): Buffer {
  return Buffer.concat([
    Buffer.from(name === undefined ? [] : [name]),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}
