/**
 * The answers of one watch stream that are made in one turn, sent as one piece: a write that a thousand watchers hear of
 * costs each a copy of its bytes and a few numbers, not a message object, a frame and a write. The events are encoded
 * once for all; what differs is the watch's ID.
 */
import { encodeWatchResponse, ResponseHeader, type WatchResponse } from '#etcd/key-value.ts';
import { prefixBytes } from './grpc-messages.ts';
import type { HeaderOf } from './grpc-service.ts';
import { frameHeaderBytes, framePayloadBytes } from './http2/frames.ts';

/** As much waits for the end of the turn; then it is sent before that. */
const batchBytesMax = 256 * 1024;

const headerTag = (1 << 3) | 2;
const watchIdTag = 2 << 3;
const fragmentTag = 7 << 3;
const eventTag = (11 << 3) | 2;

export class WatchBatch {
  readonly #headerOf: HeaderOf;
  readonly #write: Write;
  #entries: Entry[] = [];
  #bytes = 0;
  #isScheduled = false;
  /** The header of the last revision, as a field. */
  #header = Buffer.alloc(0);
  #headerRevision = -1;

  constructor(headerOf: HeaderOf, write: Write) {
    this.#headerOf = headerOf;
    this.#write = write;
  }

  /** `events`: encoded mvccpb.Events, shared by all who get them. */
  events(watchId: number, revision: number, events: readonly Buffer[], isFragment: boolean): void {
    if (watchId < 0) {
      this.response({ watchId, fragment: isFragment }, revision, events);
      return;
    }
    const header = this.#headerAt(revision);
    let length = header.length + (watchId === 0 ? 0 : 1 + varintBytes(watchId)) + (isFragment ? 2 : 0);
    for (const event of events) length += 1 + varintBytes(event.length) + event.length;
    this.#add({ length, header, watchId, isFragment, events });
  }

  /** Whatever a WatchResponse may say. */
  response(
    response: Omit<Partial<WatchResponse>, 'events' | 'header'>,
    revision: number,
    events: readonly Buffer[] = none,
  ): void {
    const header = encodeWatchResponse({ ...response, header: this.#headerOf(revision) }, events);
    this.#add({ length: header.length, header, watchId: 0, isFragment: false, events: none });
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += prefixBytes + entry.length;
    if (this.#bytes >= batchBytesMax) this.flush();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      afterAnswers(() => this.flush());
    }
  }

  flush(): void {
    this.#isScheduled = false;
    if (this.#entries.length === 0) return;
    const entries = this.#entries;
    this.#entries = [];
    this.#bytes = 0;
    // Whole messages to a frame: so it can be sent without another copy.
    for (let from = 0; from < entries.length; ) {
      let bytes = 0;
      let to = from;
      for (; to < entries.length; to++) {
        const more = prefixBytes + entries[to]!.length;
        if (bytes > 0 && bytes + more > framePayloadBytes) break;
        bytes += more;
      }
      const hasRoom = bytes <= framePayloadBytes;
      const out = Buffer.allocUnsafe(hasRoom ? frameHeaderBytes + bytes : bytes);
      for (let at = hasRoom ? frameHeaderBytes : 0; from < to; from++) at = writeEntry(out, at, entries[from]!);
      this.#write(out, hasRoom);
    }
  }

  #headerAt(revision: number): Buffer {
    if (revision === this.#headerRevision) return this.#header;
    const header = ResponseHeader.encode(this.#headerOf(revision));
    this.#header = Buffer.concat([Buffer.from([headerTag, header.length]), header]);
    this.#headerRevision = revision;
    return this.#header;
  }
}

/** Bytes with `hasRoom` for the header of a frame before them. */
export type Write = (bytes: Buffer, hasRoom: boolean) => void;

interface Entry {
  /** Of the whole message. */
  length: number;
  /** What it begins with, encoded. */
  header: Buffer;
  watchId: number;
  isFragment: boolean;
  events: readonly Buffer[];
}

const none: readonly Buffer[] = [];

/**
 * Calls `fn` within this turn of the event loop, but after answers that are resolved in it have been written: who waits
 * for one goes on meanwhile, however many watchers there are to tell. Resolved promises are run as microtasks and
 * schedule the write as the next tick; so this is the tick after a tick that a microtask scheduled.
 */
function afterAnswers(fn: () => void): void {
  queueMicrotask(() => process.nextTick(() => process.nextTick(fn)));
}

function writeEntry(out: Buffer, start: number, { length, header, watchId, isFragment, events }: Entry): number {
  out[start] = 0;
  let at = out.writeUInt32BE(length, start + 1);
  out.set(header, at);
  at += header.length;
  if (watchId !== 0) {
    out[at++] = watchIdTag;
    at = writeVarint(out, at, watchId);
  }
  if (isFragment) {
    out[at++] = fragmentTag;
    out[at++] = 1;
  }
  for (const event of events) {
    out[at++] = eventTag;
    at = writeVarint(out, at, event.length);
    out.set(event, at);
    at += event.length;
  }
  return at;
}

/** Of numbers from 0 to the largest safe one. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function writeVarint(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out[at++] = (rest % 128) | 0x80;
  out[at++] = rest;
  return at;
}
