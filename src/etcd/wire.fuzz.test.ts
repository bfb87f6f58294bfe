import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Event, encodeWatchResponse, KeyValue, RangeResponse, WatchResponse } from './key-value.ts';
import { LeaseGrantRequest, RangeRequest, TxnRequest, WatchCreateRequest } from './messages.ts';
import { bytes, id, int64, message, repeated, string } from './wire.ts';

/** With a prototype, as decoded messages have one. */
const record: typeof fc.record = (model: any) => fc.record(model, { noNullPrototype: true }) as any;
const buffer = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b));
const revision = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 2 ** 32 - 1, 2 ** 32, 2 ** 49, 2 ** 53 - 1),
);
const lease = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const keyValue = record({
  key: buffer,
  createRevision: revision,
  modRevision: revision,
  version: revision,
  value: buffer,
  lease,
});
const header = record({
  clusterId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  memberId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  revision,
  raftTerm: fc.constant(2n),
});

test('wire: key values, ranges, watch responses: come back as they were', () => {
  const event = record({
    type: fc.constantFrom(0 as const, 1 as const),
    kv: keyValue,
    prevKv: fc.option(keyValue, { nil: undefined }),
  });
  const watch = record({
    header,
    watchId: fc.oneof(fc.constant(-1), fc.nat()),
    created: fc.boolean(),
    canceled: fc.boolean(),
    compactRevision: revision,
    cancelReason: fc.string(),
    fragment: fc.boolean(),
    events: fc.array(event, { maxLength: 4 }),
  });
  const range = record({ header, kvs: fc.array(keyValue, { maxLength: 4 }), more: fc.boolean(), count: revision });
  fc.assert(
    fc.property(keyValue, range, watch, (kv, r, w) => {
      assert.deepEqual(KeyValue.decode(KeyValue.encode(kv)), kv);
      assert.deepEqual(RangeResponse.decode(RangeResponse.encode(r)), r);
      assert.deepEqual(WatchResponse.decode(WatchResponse.encode(w)), w);
      assert.deepEqual(encodeWatchResponse(w, w.events.map(Event.encode)), WatchResponse.encode(w));
    }),
  );
});

test('wire: the tables: absent is zero, negative numbers and full-size IDs are kept', () => {
  assert.deepEqual(LeaseGrantRequest.decode(Buffer.alloc(0)), { ttl: 0, id: 0n });
  const grant = { ttl: -1, id: -(2n ** 63n) };
  assert.deepEqual(LeaseGrantRequest.decode(LeaseGrantRequest.encode(grant)), grant);
  assert.equal(RangeRequest.encode({}).length, 0);
  const filters = [0, 1, 0] as const;
  assert.deepEqual(WatchCreateRequest.decode(WatchCreateRequest.encode({ filters })).filters, [...filters]);
});

test('wire: unpacked numbers: are read as well as packed ones', () => {
  // Field 5, varint, twice: the form that proto2 writers use.
  assert.deepEqual(WatchCreateRequest.decode(Buffer.from([5 << 3, 1, 5 << 3, 0])).filters, [1, 0]);
});

test('wire: a nested message: present and empty is not absent', () => {
  const { success } = TxnRequest.decode(TxnRequest.encode({ success: [{ requestTxn: {} }, { requestRange: {} }] }));
  assert.deepEqual(success[0]!.requestTxn, { compare: [], success: [], failure: [] });
  assert.equal(success[0]!.requestRange, undefined);
  assert.equal(success[1]!.requestRange!.limit, 0);
});

test('wire: fields of a newer version: skipped', () => {
  const newer = message({ key: bytes(1), limit: int64(3), note: string(77), more: repeated(string(78)), id: id(79) });
  const sent = newer.encode({ key: Buffer.from('k'), limit: 5, note: 'new', more: ['', 'b'], id: 3n });
  const read = RangeRequest.decode(sent);
  assert.deepEqual([read.key.toString(), read.limit], ['k', 5]);
});

test('wire: any bytes: a message or an error, never a hang', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (input) => {
      for (const codec of [TxnRequest, RangeRequest, WatchResponse, KeyValue]) {
        try {
          codec.decode(Buffer.from(input));
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }
    }),
    { numRuns: 500 },
  );
});
