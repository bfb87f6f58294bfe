/** One stream of a connection: what it may still send, and what waits for room. */
import type { Http2Connection } from './connection.ts';
import { ErrorCode, Flag, FrameType, frameHeaderBytes, rstStream, windowUpdate, writeFrameHeader } from './frames.ts';

/** Of a stream, as announced in the connection's settings. */
const receiveWindowBytes = 1024 * 1024;
/** More than this waiting, and write() says that it is enough. */
const queueBytesMax = 256 * 1024;

export interface StreamReceiver {
  data(bytes: Buffer): void;
  /** The peer has said all it had to say. */
  end(): void;
  /** The stream is gone: by the peer's wish, or with its connection. */
  reset(): void;
  /** After write() said that it is enough: there is room again. */
  drain(): void;
}

export class Http2Stream {
  readonly id: number;
  sendWindow: number;
  receiveWindow = receiveWindowBytes;
  isRemoteClosed = false;
  receiver: StreamReceiver | undefined;
  readonly connection: Http2Connection;
  #isPaused = false;
  #queue: Buffer[] = [];
  /** Of the first buffer in the queue, so much is sent. */
  #sentOfFirst = 0;
  #queueBytes = 0;
  #trailers: Buffer | undefined;
  #isGone = false;
  #isDrainWanted = false;

  constructor(connection: Http2Connection, id: number, sendWindow: number) {
    this.connection = connection;
    this.id = id;
    this.sendWindow = sendWindow;
  }

  /** A whole answer of one message: one piece of memory, where the windows allow it. */
  answer(headers: Buffer, message: Buffer, trailers: Buffer): void {
    const { connection } = this;
    const { length } = message;
    if (this.#isGone) return;
    if (length > connection.peerFrameBytes || length > this.sendWindow || length > connection.sendWindow) {
      this.headers(headers);
      this.write([message]);
      this.end(trailers);
      return;
    }
    this.sendWindow -= length;
    connection.sendWindow -= length;
    const out = Buffer.allocUnsafe(3 * frameHeaderBytes + headers.length + length + trailers.length);
    let at = writeFrameHeader(out, 0, headers.length, FrameType.HEADERS, Flag.END_HEADERS, this.id);
    at += headers.copy(out, at);
    at = writeFrameHeader(out, at, length, FrameType.DATA, 0, this.id);
    at += message.copy(out, at);
    this.#writeTrailers(out, at, trailers);
    connection.send(out);
    this.#finish();
  }

  headers(block: Buffer): void {
    if (this.#isGone) return;
    const out = Buffer.allocUnsafe(frameHeaderBytes + block.length);
    block.copy(out, writeFrameHeader(out, 0, block.length, FrameType.HEADERS, Flag.END_HEADERS, this.id));
    this.connection.send(out);
    this.connection.sentData();
  }

  /** False: it is sent all the same, but more should wait for drain(). */
  write(parts: readonly Buffer[]): boolean {
    if (this.#isGone || this.#trailers) return true;
    for (const part of parts) {
      this.#queue.push(part);
      this.#queueBytes += part.length;
    }
    this.pump();
    if (this.#queueBytes <= queueBytesMax) return true;
    this.#isDrainWanted = true;
    return false;
  }

  /**
   * Data that fits into one frame, and begins with room for its header: goes out as it is, where it may. The result is
   * write()'s.
   */
  writeInPlace(frame: Buffer): boolean {
    const { connection } = this;
    const length = frame.length - frameHeaderBytes;
    const fits = length <= this.sendWindow && length <= connection.sendWindow && length <= connection.peerFrameBytes;
    if (this.#isGone || this.#trailers || this.#queue.length > 0 || !fits || connection.isFull(this)) {
      return this.write([frame.subarray(frameHeaderBytes)]);
    }
    writeFrameHeader(frame, 0, length, FrameType.DATA, 0, this.id);
    connection.sentData();
    this.sendWindow -= length;
    connection.sendWindow -= length;
    connection.send(frame);
    return true;
  }

  /** Ends the stream when all that was written is sent. */
  end(trailers: Buffer): void {
    if (this.#isGone || this.#trailers) return;
    this.#trailers = trailers;
    this.pump();
  }

  /** Sends what there is room for. */
  pump(): void {
    while (this.#queue.length > 0) {
      if (this.#isGone || this.sendWindow <= 0 || this.connection.isFull(this)) return;
      const first = this.#queue[0]!;
      const { connection } = this;
      const left = first.length - this.#sentOfFirst;
      const length = Math.min(left, this.sendWindow, connection.sendWindow, connection.peerFrameBytes);
      const header = Buffer.allocUnsafe(frameHeaderBytes);
      writeFrameHeader(header, 0, length, FrameType.DATA, 0, this.id);
      connection.send(header);
      connection.send(first.subarray(this.#sentOfFirst, this.#sentOfFirst + length));
      connection.sentData();
      connection.sendWindow -= length;
      this.sendWindow -= length;
      this.#sentOfFirst += length;
      this.#queueBytes -= length;
      if (length === left) {
        this.#queue.shift();
        this.#sentOfFirst = 0;
      }
    }
    if (this.#trailers && !this.#isGone) {
      const out = Buffer.allocUnsafe(frameHeaderBytes + this.#trailers.length);
      this.#writeTrailers(out, 0, this.#trailers);
      this.connection.send(out);
      this.#finish();
    } else if (this.#isDrainWanted) {
      this.#isDrainWanted = false;
      this.receiver?.drain();
    }
  }

  received(data: Buffer, windowBytes: number, isEnd: boolean): void {
    this.receiveWindow -= windowBytes;
    if (isEnd) this.isRemoteClosed = true;
    else if (!this.#isPaused) this.#refill();
    if (data.length > 0) this.receiver?.data(data);
    if (isEnd && !this.#isGone) this.receiver?.end();
  }

  /** The peer gets no more window than it has. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (!this.isRemoteClosed && !this.#isGone) this.#refill();
  }

  wasReset(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#queue = [];
    this.receiver?.reset();
  }

  #refill(): void {
    if (this.receiveWindow >= receiveWindowBytes / 2) return;
    this.connection.send(windowUpdate(this.id, receiveWindowBytes - this.receiveWindow));
    this.receiveWindow = receiveWindowBytes;
  }

  #writeTrailers(out: Buffer, at: number, block: Buffer): void {
    const flags = Flag.END_HEADERS | Flag.END_STREAM;
    block.copy(out, writeFrameHeader(out, at, block.length, FrameType.HEADERS, flags, this.id));
  }

  #finish(): void {
    this.#isGone = true;
    // The answer is complete before the question was: the rest of it need not come.
    if (!this.isRemoteClosed) this.connection.send(rstStream(this.id, ErrorCode.NO_ERROR));
    this.connection.finished(this);
  }
}
