/** mvccpb.KeyValue of a row in one buffer: of these there are as many as a store has entries. */
import type { KvRow } from '../backend/database.ts';

/** Tags and numbers at their longest. */
const overheadBytes = 2 * (1 + 5) + 4 * (1 + 10);

const tag = { key: 0x0a, createRevision: 0x10, modRevision: 0x18, version: 0x20, value: 0x2a, lease: 0x30 } as const;

export function encodeKeyValue({ main, key, value, createRevision, version, lease }: KvRow): Buffer {
  const bytes = Buffer.allocUnsafe(overheadBytes + key.length + value.length);
  let at = 0;
  const varint = (number: number) => {
    let rest = number;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
    bytes[at++] = rest;
  };
  const blob = (field: number, content: Buffer) => {
    if (content.length === 0) return;
    bytes[at++] = field;
    varint(content.length);
    at += content.copy(bytes, at);
  };
  blob(tag.key, key);
  bytes[at++] = tag.createRevision;
  varint(createRevision);
  bytes[at++] = tag.modRevision;
  varint(main);
  bytes[at++] = tag.version;
  varint(version);
  blob(tag.value, value);
  if (lease !== 0n) {
    bytes[at++] = tag.lease;
    let rest = BigInt.asUintN(64, lease);
    for (; rest >= 0x80n; rest >>= 7n) bytes[at++] = Number(rest & 0x7fn) | 0x80;
    bytes[at++] = Number(rest);
  }
  return bytes.subarray(0, at);
}
