/**
 * The server's side of one HTTP/2 connection, as much of it as gRPC needs: no push, no priorities, header blocks
 * written without a table. Owns the socket. What the peer may make us keep is bounded: frames and header blocks by size,
 * streams by number, data by the windows, answers it does not read by the socket's backlog. Whoever breaks the protocol
 * is told why in a GOAWAY, and loses this connection and no other.
 */
import type { Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';
import {
  defaultWindowBytes,
  ErrorCode,
  Flag,
  FrameType,
  frame,
  frameHeaderBytes,
  framePayloadBytes,
  framePayloadBytesMax,
  goAway,
  preface,
  rstStream,
  Setting,
  settingsAck,
  settingsFrame,
  windowBytesMax,
  windowUpdate,
} from './frames.ts';
import { HpackDecoder, HpackError, headerListBytesMax } from './hpack.ts';
import { PingGuard } from './ping-guard.ts';
import { Http2Stream } from './stream.ts';

/** Streams of one connection at a time; cancelled ones count until their work is done. */
const streamsMax = 10_000;
/** A header block on the wire, in all its frames. */
const headerBlockBytesMax = headerListBytesMax;
const headerFramesMax = 16;
/** What a peer may send ahead of us, on a connection and on each stream of it. */
export const receiveWindowBytes = 1024 * 1024;
/** Data waits with its stream while more than this is on its way into the socket. */
const socketBacklogBytes = 1024 * 1024;
/** Answers to pings and settings of a peer that reads nothing. */
const controlBacklogBytesMax = 4 * 1024 * 1024;
/** So much is copied together rather than given to the kernel as a list. */
const joinBytesMax = 12 * 1024;
/** Of a frame of ours: larger ones would only keep those of other streams waiting. */
const sentFrameBytesMax = 64 * 1024;

export interface RequestHeaders {
  method: string;
  path: string;
  contentType: string;
  grpcTimeout: string;
  grpcEncoding: string;
}

export interface ConnectionEvents {
  /** The headers of a request are there; sets the stream's receiver. */
  stream(stream: Http2Stream, headers: RequestHeaders): void;
  /** A stream, or the connection with all of them, has ended. */
  ended(connection: Http2Connection): void;
}

const hello = Buffer.concat([
  settingsFrame([
    [Setting.MAX_CONCURRENT_STREAMS, streamsMax],
    [Setting.INITIAL_WINDOW_SIZE, receiveWindowBytes],
    [Setting.MAX_HEADER_LIST_SIZE, headerListBytesMax],
  ]),
  windowUpdate(0, receiveWindowBytes - defaultWindowBytes),
]);

export class Http2Connection {
  readonly streams = new Map<number, Http2Stream>();
  /** Requests whose stream is gone, but whose work is not done yet. */
  orphans = 0;
  /** Since the server's keep-alive looked last. */
  hasHeard = true;
  isPingSent = false;
  isClosing = false;
  /** Of messages that are not complete, in all its streams. */
  heldBytes = 0;
  sendWindow = defaultWindowBytes;
  peerFrameBytes = framePayloadBytes;
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #decoder = new HpackDecoder();
  readonly #pings: PingGuard;
  #peerWindow = defaultWindowBytes;
  #unread: Buffer | undefined;
  #hasPreface = false;
  #hasSettings = false;
  #lastStream = 0;
  #receiveWindow = receiveWindowBytes;
  /** The header block whose CONTINUATION is to come. */
  #block: { stream: number; isEnd: boolean; parts: Buffer[]; bytes: number } | undefined;
  #out: Buffer[] = [];
  #outBytes = 0;
  #isFlushScheduled = false;
  /** Streams that have data and had no room for it in the connection's window or the socket. */
  readonly #blocked = new Set<Http2Stream>();

  constructor(socket: Socket, clock: Clock, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#pings = new PingGuard(clock);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#unblock());
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      this.isClosing = true;
      for (const stream of [...this.streams.values()]) this.#reset(stream);
      events.ended(this);
    });
    this.send(hello);
  }

  /** Sends with whatever else this turn has to say. */
  send(bytes: Buffer): void {
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    process.nextTick(flush, this);
  }

  /** No room for data now: `stream` is pumped again when there is. */
  isFull(stream: Http2Stream): boolean {
    if (this.sendWindow > 0 && this.#outBytes + this.#socket.writableLength < socketBacklogBytes) return false;
    this.#blocked.add(stream);
    return true;
  }

  /** The last frame of the stream was sent. */
  finished(stream: Http2Stream): void {
    this.sentData();
    this.streams.delete(stream.id);
    this.#blocked.delete(stream);
    if (this.isClosing) this.#events.ended(this);
  }

  /** A piece of an answer went out. Clients ping upon each to measure the line: that is no ping too many. */
  sentData(): void {
    this.#pings.hasSentData = true;
  }

  ping(): void {
    this.isPingSent = true;
    this.send(frame(FrameType.PING, 0, 0, keepAlive));
  }

  /** No new streams; those that are there go on. */
  goAway(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.send(goAway(this.#lastStream, ErrorCode.NO_ERROR, ''));
  }

  get isDestroyed(): boolean {
    return this.#socket.destroyed;
  }

  /** What is said so far still goes out. */
  end(): void {
    this.flush();
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  flush(): void {
    this.#isFlushScheduled = false;
    if (this.#out.length === 0) return;
    const out = this.#out;
    const bytes = this.#outBytes;
    this.#out = [];
    this.#outBytes = 0;
    if (this.#socket.destroyed) return;
    if (out.length === 1) this.#socket.write(out[0]!);
    else if (bytes <= joinBytesMax) this.#socket.write(Buffer.concat(out, bytes));
    else {
      this.#socket.cork();
      for (const part of out) this.#socket.write(part);
      this.#socket.uncork();
    }
    if (this.#socket.writableLength > controlBacklogBytesMax + socketBacklogBytes) this.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#socket.writableEnded) return;
    this.hasHeard = true;
    const bytes = this.#unread ? Buffer.concat([this.#unread, chunk]) : chunk;
    let at = 0;
    if (!this.#hasPreface) {
      const length = Math.min(bytes.length, preface.length);
      if (bytes.compare(preface, 0, length, 0, length) !== 0) {
        this.#fail(ErrorCode.PROTOCOL_ERROR, 'no HTTP/2 preface');
        return;
      }
      if (length === preface.length) {
        this.#hasPreface = true;
        at = length;
      }
    }
    while (this.#hasPreface && bytes.length - at >= frameHeaderBytes) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      if (length > framePayloadBytes) {
        this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'frame too large');
        return;
      }
      const start = at + frameHeaderBytes;
      if (start + length > bytes.length) break;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      this.#frame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes.subarray(start, start + length));
      if (this.#socket.destroyed || this.#socket.writableEnded) return;
      at = start + length;
    }
    this.#unread = at < bytes.length ? bytes.subarray(at) : undefined;
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (!this.#hasSettings && type !== FrameType.SETTINGS) {
      this.#fail(ErrorCode.PROTOCOL_ERROR, 'settings come first');
      return;
    }
    if (this.#block && (type !== FrameType.CONTINUATION || id !== this.#block.stream)) {
      this.#fail(ErrorCode.PROTOCOL_ERROR, 'header block interrupted');
      return;
    }
    switch (type) {
      case FrameType.DATA:
        this.#data(flags, id, payload);
        break;
      case FrameType.HEADERS:
        this.#headers(flags, id, payload);
        break;
      case FrameType.CONTINUATION:
        this.#continuation(flags, payload);
        break;
      case FrameType.RST_STREAM:
        this.#rstStream(id, payload);
        break;
      case FrameType.SETTINGS:
        this.#settings(flags, id, payload);
        break;
      case FrameType.PING:
        this.#ping(flags, id, payload);
        break;
      case FrameType.WINDOW_UPDATE:
        this.#windowUpdate(id, payload);
        break;
      case FrameType.PUSH_PROMISE:
        this.#fail(ErrorCode.PROTOCOL_ERROR, 'a client does not push');
        break;
      default: // PRIORITY, GOAWAY, and what is not known: nothing follows from it
    }
  }

  #data(flags: number, id: number, payload: Buffer): void {
    const stream = this.streams.get(id);
    if (id === 0 || (!stream && (id > this.#lastStream || id % 2 === 0))) {
      this.#fail(ErrorCode.PROTOCOL_ERROR, 'data on an idle stream');
      return;
    }
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0 || (stream && payload.length > stream.receiveWindow)) {
      this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'more data than the window allows');
      return;
    }
    const data = this.#withoutPadding(flags, payload);
    if (!data) return;
    // What has come is passed on at once: a stream holds back by its own window.
    if (this.#receiveWindow < receiveWindowBytes / 2) {
      this.send(windowUpdate(0, receiveWindowBytes - this.#receiveWindow));
      this.#receiveWindow = receiveWindowBytes;
    }
    // Data of a stream that we have ended or reset may still have been on its way.
    if (!stream) return;
    if (stream.isRemoteClosed) {
      this.#fail(ErrorCode.STREAM_CLOSED, 'data after the end of the stream');
      return;
    }
    stream.received(data, payload.length, (flags & Flag.END_STREAM) !== 0);
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    let block = this.#withoutPadding(flags, payload);
    if (!block) return;
    if (id % 2 === 0) {
      this.#fail(ErrorCode.PROTOCOL_ERROR, 'no stream of a client');
      return;
    }
    if (flags & Flag.PRIORITY) {
      if (block.length < 5) {
        this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'headers too short');
        return;
      }
      block = block.subarray(5);
    }
    this.#block = { stream: id, isEnd: (flags & Flag.END_STREAM) !== 0, parts: [block], bytes: block.length };
    if (flags & Flag.END_HEADERS) this.#headersComplete();
  }

  #continuation(flags: number, payload: Buffer): void {
    const block = this.#block;
    if (!block) {
      this.#fail(ErrorCode.PROTOCOL_ERROR, 'nothing to continue');
      return;
    }
    block.parts.push(payload);
    block.bytes += payload.length;
    if (block.bytes > headerBlockBytesMax || block.parts.length > headerFramesMax) {
      this.#fail(ErrorCode.ENHANCE_YOUR_CALM, 'headers too large');
      return;
    }
    if (flags & Flag.END_HEADERS) this.#headersComplete();
  }

  #headersComplete(): void {
    const { stream: id, isEnd, parts } = this.#block!;
    this.#block = undefined;
    const headers: RequestHeaders = { method: '', path: '', contentType: '', grpcTimeout: '', grpcEncoding: '' };
    try {
      this.#decoder.decode(parts.length === 1 ? parts[0]! : Buffer.concat(parts), (name, value) => {
        const field = wanted.get(name);
        if (field) headers[field] = value;
      });
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      this.#fail(ErrorCode.COMPRESSION_ERROR, error.message);
      return;
    }
    const known = this.streams.get(id);
    if (known) {
      // Trailers: they say nothing that gRPC wants to know.
      if (!isEnd || known.isRemoteClosed) this.#fail(ErrorCode.PROTOCOL_ERROR, 'headers within a stream');
      else known.received(nothing, 0, true);
      return;
    }
    if (id <= this.#lastStream) return; // trailers of a stream that is gone
    this.#lastStream = id;
    if (headers.method === '' || headers.path === '') {
      this.send(rstStream(id, ErrorCode.PROTOCOL_ERROR));
      return;
    }
    if (this.isClosing || this.streams.size + this.orphans >= streamsMax) {
      this.send(rstStream(id, ErrorCode.REFUSED_STREAM));
      return;
    }
    const stream = new Http2Stream(this, id, this.#peerWindow);
    this.streams.set(id, stream);
    this.#events.stream(stream, headers);
    if (isEnd && this.streams.has(id)) stream.received(nothing, 0, true);
  }

  #rstStream(id: number, payload: Buffer): void {
    if (payload.length !== 4) this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM has four bytes');
    else if (id === 0 || id > this.#lastStream) this.#fail(ErrorCode.PROTOCOL_ERROR, 'reset of an idle stream');
    else {
      const stream = this.streams.get(id);
      if (stream) this.#reset(stream);
    }
  }

  #reset(stream: Http2Stream): void {
    this.finished(stream);
    stream.wasReset();
  }

  #settings(flags: number, id: number, payload: Buffer): void {
    const isAck = (flags & Flag.ACK) !== 0;
    if (id !== 0 || payload.length % 6 !== 0 || (isAck && payload.length > 0)) {
      this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'malformed settings');
      return;
    }
    this.#hasSettings = true;
    if (isAck) return;
    for (let at = 0; at < payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      switch (payload.readUInt16BE(at)) {
        case Setting.INITIAL_WINDOW_SIZE:
          if (value > windowBytesMax) {
            this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
            return;
          }
          for (const stream of this.streams.values()) stream.sendWindow += value - this.#peerWindow;
          this.#peerWindow = value;
          break;
        case Setting.MAX_FRAME_SIZE:
          if (value < framePayloadBytes || value > framePayloadBytesMax) {
            this.#fail(ErrorCode.PROTOCOL_ERROR, 'no frame size');
            return;
          }
          this.peerFrameBytes = Math.min(value, sentFrameBytesMax);
          break;
        default:
      }
    }
    this.send(settingsAck);
    for (const stream of [...this.streams.values()]) stream.pump();
  }

  #ping(flags: number, id: number, payload: Buffer): void {
    if (id !== 0 || payload.length !== 8) {
      this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'malformed ping');
      return;
    }
    if (flags & Flag.ACK) {
      this.isPingSent = false;
      return;
    }
    this.send(frame(FrameType.PING, Flag.ACK, 0, payload));
    if (this.#pings.isTooMuch(this.streams.size > 0)) this.#fail(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings');
  }

  #windowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) {
      this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE has four bytes');
      return;
    }
    const bytes = payload.readUInt32BE(0) & 0x7fff_ffff;
    if (id === 0) {
      this.sendWindow += bytes;
      if (bytes === 0 || this.sendWindow > windowBytesMax) this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'wrong window');
      else this.#unblock();
      return;
    }
    if (id > this.#lastStream) {
      this.#fail(ErrorCode.PROTOCOL_ERROR, 'window of an idle stream');
      return;
    }
    const stream = this.streams.get(id);
    if (!stream) return;
    stream.sendWindow += bytes;
    if (bytes === 0 || stream.sendWindow > windowBytesMax) {
      this.send(rstStream(id, ErrorCode.FLOW_CONTROL_ERROR));
      this.#reset(stream);
    } else stream.pump();
  }

  #unblock(): void {
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const stream of blocked) stream.pump();
  }

  #withoutPadding(flags: number, payload: Buffer): Buffer | undefined {
    if (!(flags & Flag.PADDED)) return payload;
    const end = payload.length - (payload[0] ?? 0);
    if (payload.length > 0 && end >= 1) return payload.subarray(1, end);
    this.#fail(ErrorCode.PROTOCOL_ERROR, 'more padding than frame');
    return undefined;
  }

  #fail(code: ErrorCode, why: string): void {
    this.isClosing = true;
    this.send(goAway(this.#lastStream, code, why));
    // A peer that does not read it is ended by the keep-alive.
    this.end();
  }
}

const flush = (connection: Http2Connection): void => connection.flush();
const nothing = Buffer.alloc(0);
const keepAlive = Buffer.from('evenkeel');

const wanted = new Map<string, keyof RequestHeaders>([
  [':method', 'method'],
  [':path', 'path'],
  ['content-type', 'contentType'],
  ['grpc-timeout', 'grpcTimeout'],
  ['grpc-encoding', 'grpcEncoding'],
]);
