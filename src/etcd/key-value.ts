/**
 * The messages of which there are many: a list is thousands of KeyValues, a watch one Event per write. Written by
 * hand, so that each has one shape and no table is walked per field. mvccpb.KeyValue, mvccpb.Event,
 * etcdserverpb.ResponseHeader, RangeResponse, WatchResponse.
 */
import { type Codec, emptyBuffer, Reader, Writer, withEnds } from './wire.ts';

export interface KeyValue {
  key: Buffer;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Buffer;
  lease: bigint;
}

export const EventType = { PUT: 0, DELETE: 1 } as const;
export type EventType = (typeof EventType)[keyof typeof EventType];

export interface Event {
  type: EventType;
  /** Of a DELETE: only the key and, as modRevision, the revision of the deletion. */
  kv: KeyValue;
  prevKv: KeyValue | undefined;
}

export interface ResponseHeader {
  clusterId: bigint;
  memberId: bigint;
  /** The store's revision when the request was applied. */
  revision: number;
  raftTerm: bigint;
}

export interface RangeResponse {
  header: ResponseHeader;
  kvs: KeyValue[];
  more: boolean;
  /** All keys in the range, whatever the limit. */
  count: number;
}

export interface WatchResponse {
  header: ResponseHeader;
  watchId: number;
  created: boolean;
  canceled: boolean;
  compactRevision: number;
  cancelReason: string;
  fragment: boolean;
  events: Event[];
}

const varint = (field: number) => field << 3;
const delimited = (field: number) => (field << 3) | 2;

export const KeyValue: Codec<KeyValue> = withEnds({
  write(w, kv) {
    if (kv.key.length > 0) w.uint32(delimited(1)).bytes(kv.key);
    if (kv.createRevision !== 0) w.uint32(varint(2)).int64Number(kv.createRevision);
    if (kv.modRevision !== 0) w.uint32(varint(3)).int64Number(kv.modRevision);
    if (kv.version !== 0) w.uint32(varint(4)).int64Number(kv.version);
    if (kv.value.length > 0) w.uint32(delimited(5)).bytes(kv.value);
    if (kv.lease !== 0n) w.uint32(varint(6)).int64(kv.lease);
  },
  read(r, end) {
    const kv: KeyValue = {
      key: emptyBuffer,
      createRevision: 0,
      modRevision: 0,
      version: 0,
      value: emptyBuffer,
      lease: 0n,
    };
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag === delimited(1)) kv.key = r.buffer();
      else if (tag === varint(2)) kv.createRevision = r.int64Number();
      else if (tag === varint(3)) kv.modRevision = r.int64Number();
      else if (tag === varint(4)) kv.version = r.int64Number();
      else if (tag === delimited(5)) kv.value = r.buffer();
      else if (tag === varint(6)) kv.lease = BigInt(r.int64());
      else r.skipUnknown(tag);
    }
    r.endOf(end);
    return kv;
  },
});

const noKeyValue: KeyValue = KeyValue.read(new Reader(emptyBuffer), 0);

export const Event: Codec<Event> = withEnds({
  write(w, event) {
    if (event.type !== EventType.PUT) w.uint32(varint(1)).uint32(event.type);
    writeNested(w, 2, KeyValue, event.kv);
    if (event.prevKv) writeNested(w, 3, KeyValue, event.prevKv);
  },
  read(r, end) {
    const event: Event = { type: EventType.PUT, kv: noKeyValue, prevKv: undefined };
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag === varint(1)) event.type = r.uint32() as EventType;
      else if (tag === delimited(2)) event.kv = r.nested(KeyValue);
      else if (tag === delimited(3)) event.prevKv = r.nested(KeyValue);
      else r.skipUnknown(tag);
    }
    r.endOf(end);
    return event;
  },
});

export const ResponseHeader: Codec<ResponseHeader, Partial<ResponseHeader>> = withEnds({
  write(w, h) {
    if (h.clusterId) w.uint32(varint(1)).uint64(h.clusterId);
    if (h.memberId) w.uint32(varint(2)).uint64(h.memberId);
    if (h.revision) w.uint32(varint(3)).int64Number(h.revision);
    if (h.raftTerm) w.uint32(varint(4)).uint64(h.raftTerm);
  },
  read(r, end) {
    const header = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0n };
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag === varint(1)) header.clusterId = BigInt(r.uint64());
      else if (tag === varint(2)) header.memberId = BigInt(r.uint64());
      else if (tag === varint(3)) header.revision = r.int64Number();
      else if (tag === varint(4)) header.raftTerm = BigInt(r.uint64());
      else r.skipUnknown(tag);
    }
    r.endOf(end);
    return header;
  },
});

export const noHeader: ResponseHeader = Object.freeze(ResponseHeader.read(new Reader(emptyBuffer), 0));

export const RangeResponse: Codec<RangeResponse, Partial<RangeResponse>> = withEnds({
  write(w, response) {
    if (response.header) writeNested(w, 1, ResponseHeader, response.header);
    if (response.kvs) for (const kv of response.kvs) writeNested(w, 2, KeyValue, kv);
    if (response.more) w.uint32(varint(3)).bool(true);
    if (response.count) w.uint32(varint(4)).int64Number(response.count);
  },
  read(r, end) {
    const response: RangeResponse = { header: noHeader, kvs: [], more: false, count: 0 };
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag === delimited(2)) response.kvs.push(r.nested(KeyValue));
      else if (tag === delimited(1)) response.header = r.nested(ResponseHeader);
      else if (tag === varint(3)) response.more = r.bool();
      else if (tag === varint(4)) response.count = r.int64Number();
      else r.skipUnknown(tag);
    }
    r.endOf(end);
    return response;
  },
});

export const WatchResponse: Codec<WatchResponse, Partial<WatchResponse>> = withEnds({
  write(w, response) {
    writeWatchResponseStart(w, response);
    if (response.events) for (const event of response.events) writeNested(w, 11, Event, event);
  },
  read(r, end) {
    const response: WatchResponse = {
      header: noHeader,
      watchId: 0,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: '',
      fragment: false,
      events: [],
    };
    while (r.pos < end) {
      const tag = r.uint32();
      if (tag === delimited(11)) response.events.push(r.nested(Event));
      else if (tag === delimited(1)) response.header = r.nested(ResponseHeader);
      else if (tag === varint(2)) response.watchId = r.int64Number();
      else if (tag === varint(3)) response.created = r.bool();
      else if (tag === varint(4)) response.canceled = r.bool();
      else if (tag === varint(5)) response.compactRevision = r.int64Number();
      else if (tag === delimited(6)) response.cancelReason = r.string();
      else if (tag === varint(7)) response.fragment = r.bool();
      else r.skipUnknown(tag);
    }
    r.endOf(end);
    return response;
  },
});

/** A WatchResponse whose events are encoded already: many watchers share the bytes of one event. */
export function encodeWatchResponse(
  response: Omit<Partial<WatchResponse>, 'events'>,
  events: readonly Buffer[],
): Buffer {
  const w = new Writer();
  writeWatchResponseStart(w, response);
  for (const event of events) w.uint32(delimited(11)).bytes(event);
  return w.toBuffer();
}

function writeWatchResponseStart(w: Writer, response: Omit<Partial<WatchResponse>, 'events'>): void {
  if (response.header) writeNested(w, 1, ResponseHeader, response.header);
  if (response.watchId) w.uint32(varint(2)).int64Number(response.watchId);
  if (response.created) w.uint32(varint(3)).bool(true);
  if (response.canceled) w.uint32(varint(4)).bool(true);
  if (response.compactRevision) w.uint32(varint(5)).int64Number(response.compactRevision);
  if (response.cancelReason) w.uint32(delimited(6)).string(response.cancelReason);
  if (response.fragment) w.uint32(varint(7)).bool(true);
}

function writeNested<T, I>(w: Writer, field: number, codec: Codec<T, I>, value: I): void {
  w.uint32(delimited(field)).fork();
  codec.write(w, value);
  w.join();
}
