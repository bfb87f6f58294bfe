import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { SchemaSet } from '../schema/schema.ts';
import { ProtobufDecoder, ProtobufError, type ProtoFacts, readEnvelope } from './decode-protobuf.ts';

const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';
const facts: ProtoFacts = {
  messages: {
    'k8s.io.api.core.v1.Volume': {
      fields: [
        ['name', 1, 'optional', 'string', 'always'],
        ['volumeSource', 2, 'optional', 'k8s.io.api.core.v1.VolumeSource', 'always'],
        ['labels', 3, 'map', 'map<string,string>', 'nonempty'],
        ['sizes', 4, 'map', 'map<string,k8s.io.apimachinery.pkg.api.resource.Quantity>', 'nonempty'],
        ['at', 5, 'optional', `${meta}.MicroTime`, 'set'],
        ['port', 6, 'optional', 'k8s.io.apimachinery.pkg.util.intstr.IntOrString', 'set'],
        ['list', 7, 'repeated', 'string', 'nonempty'],
        ['blob', 8, 'optional', 'bytes', 'nonnil'],
        ['big', 9, 'optional', 'int64', 'always'],
      ],
    },
    'k8s.io.api.core.v1.VolumeSource': { fields: [['emptyDir', 2, 'optional', 'k8s.io.api.core.v1.EmptyDir', 'set']] },
    'k8s.io.api.core.v1.EmptyDir': { fields: [['medium', 1, 'optional', 'string', 'always']] },
  },
};
const string = { type: 'string', go: 'string', omit: 'empty' };
const schemas = new SchemaSet({
  schemas: {
    'io.k8s.api.core.v1.Volume': {
      fields: Object.fromEntries(
        ['name', 'emptyDir', 'labels', 'sizes', 'at', 'port', 'list', 'blob', 'big'].map((n) => [n, string]),
      ),
    },
  },
});
const decoder = new ProtobufDecoder(facts, schemas);
const nested = (build: (w: BinaryWriter) => BinaryWriter) => build(new BinaryWriter()).finish();

test('protobuf: a message: every kind of field as JSON would have it', () => {
  const bytes = new BinaryWriter()
    .tag(1, 2)
    .string('v')
    .tag(2, 2)
    .bytes(nested((w) => w.tag(2, 2).bytes(nested((x) => x.tag(1, 2).string('Memory')))))
    .tag(3, 2)
    .bytes(nested((w) => w.tag(1, 2).string('__proto__').tag(2, 2).string('x')))
    .tag(4, 2)
    .bytes(
      nested((w) =>
        w
          .tag(1, 2)
          .string('cpu')
          .tag(2, 2)
          .bytes(nested((x) => x.tag(1, 2).string('100m'))),
      ),
    )
    .tag(5, 2)
    .bytes(nested((w) => w.tag(1, 0).int64(1_700_000_000).tag(2, 0).int32(123_456_000)))
    .tag(6, 2)
    .bytes(nested((w) => w.tag(1, 0).int64(1).tag(3, 2).string('http')))
    .tag(7, 2)
    .string('a')
    .tag(7, 2)
    .string('b')
    .tag(8, 2)
    .bytes(Buffer.from('hi'))
    .tag(9, 0)
    .int64(2 ** 40)
    .tag(99, 2)
    .string('from a newer version')
    .finish();
  const value = decoder.decode('io.k8s.api.core.v1.Volume', bytes)!;
  assert.deepEqual(Object.keys(value['labels'] as object), ['__proto__']);
  delete value['labels'];
  assert.deepEqual(value, {
    name: 'v',
    emptyDir: { medium: 'Memory' },
    sizes: { cpu: '100m' },
    at: '2023-11-14T22:13:20.123456Z',
    port: 'http',
    list: ['a', 'b'],
    blob: 'aGk=',
    big: 2 ** 40,
  });
});

test('protobuf: the envelope: names the type; other bytes are refused', () => {
  const body = new BinaryWriter()
    .tag(1, 2)
    .bytes(nested((w) => w.tag(1, 2).string('v1').tag(2, 2).string('Pod')))
    .tag(2, 2)
    .bytes(Buffer.from([1]))
    .finish();
  const envelope = readEnvelope(Buffer.concat([Buffer.from('k8s\0'), body]));
  assert.deepEqual([envelope.apiVersion, envelope.kind, envelope.raw.length], ['v1', 'Pod', 1]);
  assert.throws(() => readEnvelope(Buffer.from('{"kind":"Pod"}')), ProtobufError);
});

test('protobuf: hostile bytes: an error, never a crash', () => {
  for (const bytes of [
    [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x0a],
    [0xff, 0xff, 0xff],
    [0x2a, 0x04, 0x08, 0xff, 0xff, 0xff],
  ]) {
    assert.throws(() => decoder.decode('io.k8s.api.core.v1.Volume', Buffer.from(bytes)), ProtobufError);
  }
});
