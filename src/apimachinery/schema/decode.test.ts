import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../json/parse-json.ts';
import { schemaNames, schemas, typicalDeployment } from '../testing/fixtures.ts';
import { DecodeError, decodeObject, unknownFieldText } from './decode.ts';

const decode = (kind: keyof typeof schemaNames, value: unknown) => decodeObject(schemas, schemaNames[kind], value);
const printed = (kind: keyof typeof schemaNames, value: unknown) => JSON.stringify(decode(kind, value).object);

test('decode: output: fields in Go order, always-present ones filled, empty ones dropped', () => {
  assert.equal(
    printed('deployment', {
      spec: { template: { spec: { containers: [{ image: 'i', name: 'c', args: [], tty: false }] } }, paused: false },
      metadata: { name: 'd', labels: {} },
      kind: 'Deployment',
      apiVersion: 'apps/v1',
    }),
    '{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"d"},"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":[{"name":"c","image":"i","resources":{}}]}},"strategy":{}},"status":{}}',
  );
});

test('decode: output: a pointer to zero is kept, a zero value is not', () => {
  const { object } = decode('deployment', { spec: { replicas: 0, minReadySeconds: 0 } });
  assert.equal(object.spec.replicas, 0);
  assert.ok(!('minReadySeconds' in object.spec));
});

test('decode: null: counts as absent', () => {
  assert.equal(
    printed('configMap', { metadata: { name: 'n', labels: null }, data: null, immutable: null }),
    '{"metadata":{"name":"n"}}',
  );
  assert.deepEqual(decode('configMap', { data: { a: null } }).object.data, { a: '' });
});

test('decode: maps: keys sorted, and __proto__ is a key like any other', () => {
  const { object } = decode('configMap', JSON.parse('{"data":{"b":"1","a":"2","__proto__":"3"}}'));
  assert.deepEqual(Object.keys(object.data), ['__proto__', 'a', 'b']);
  assert.equal(Object.getPrototypeOf(object.data), Object.prototype);
});

test('decode: canonical forms: quantities, times, bytes, int or string', () => {
  const { object } = decode('pod', {
    metadata: { creationTimestamp: '2020-01-01T01:00:00+01:00' },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu: 0.5, memory: '1024Mi', x: '2' } } }] },
  });
  assert.equal(object.metadata.creationTimestamp, '2020-01-01T00:00:00Z');
  assert.deepEqual(object.spec.containers[0].resources.requests, { cpu: '500m', memory: '1Gi', x: '2' });
  assert.equal(decode('secret', { data: { a: 'eH\nk=' } }).object.data.a, 'eHk=');
  const ports = decode('service', { spec: { ports: [{ port: 1, targetPort: 'web' }, { port: 2 }] } }).object.spec.ports;
  assert.deepEqual(
    ports.map((p: { targetPort: unknown }) => p.targetPort),
    ['web', 0],
  );
});

test('decode: bytes: padding is checked, whatever the length', () => {
  const bytes = (a: string) => decode('secret', { data: { a } }).object.data.a;
  assert.equal(bytes('AAAA'.repeat(500_000)).length, 2_000_000);
  for (const good of ['', 'AA==', 'AAA=', 'AAAA']) assert.equal(bytes(good), good);
  for (const bad of ['A', 'AA', 'AAA', 'A===', '====', 'AA==AAAA', 'AA=A', 'AA-_'])
    assert.throws(() => bytes(bad), bad);
});

test('decode: unknown fields: dropped, and named in the order of the document', () => {
  const { object, unknownFields } = decode('deployment', {
    spec: {
      selector: { matchLabels: { app: 'a' } },
      template: { spec: { containers: [{ name: 'c', image: 'i', imagePullPolicyy: 'Always' }] } },
      replicaz: 2,
    },
    nosuch: 1,
    Spec: {},
  });
  assert.deepEqual(unknownFields, [
    'spec.template.spec.containers[0].imagePullPolicyy',
    'spec.replicaz',
    'nosuch',
    'Spec',
  ]);
  assert.ok(!('nosuch' in object) && !('replicaz' in object.spec));
  assert.equal(unknownFieldText('spec.replicaz'), 'unknown field "spec.replicaz"');
});

test('decode: wrong types: refused in the words of the decoder', () => {
  const cases: [kind: keyof typeof schemaNames, value: unknown, message: string][] = [
    [
      'configMap',
      { data: { a: 1 } },
      'json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
    ],
    [
      'deployment',
      { spec: { replicas: '1' } },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'deployment',
      { spec: { replicas: 3_000_000_000 } },
      'json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'deployment',
      { spec: { replicas: 1.5 } },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'deployment',
      { spec: { template: { spec: { containers: 'x' } } } },
      'json: cannot unmarshal string into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    ],
    [
      'deployment',
      { spec: true },
      'json: cannot unmarshal bool into Go struct field Deployment.spec of type v1.DeploymentSpec',
    ],
    ['deployment', [], 'json: cannot unmarshal array into Go value of type v1.Deployment'],
    [
      'configMap',
      { metadata: { creationTimestamp: 'yesterday' } },
      'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
    ],
    ['secret', { data: { a: '!' } }, 'illegal base64 data at input byte 0'],
    [
      'pod',
      { spec: { containers: [{ name: 1, resources: { limits: { cpu: 'lots' } } }] } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ];
  for (const [kind, value, message] of cases) {
    assert.throws(
      () => decode(kind, value),
      (e: unknown) => e instanceof DecodeError && e.message === message,
      message,
    );
  }
});

test('decode: whole numbers written as fractions: refused for integers', () => {
  const { value, floatLiterals } = parseJson('{"spec":{"replicas":2.0}}');
  assert.throws(() => decodeObject(schemas, schemaNames.deployment, value, { floatLiterals }), {
    message: 'json: cannot unmarshal number 2.0 into Go struct field DeploymentSpec.spec.replicas of type int32',
  });
});

test("decode: after a strategic patch: the converter's words", () => {
  const options = { words: 'unstructured' } as const;
  const value = { spec: { template: { spec: { containers: 'x' } } } };
  assert.throws(() => decodeObject(schemas, schemaNames.deployment, value, options), {
    message: 'cannot restore slice from string',
  });
});

test('decode: a typical deployment: nothing unknown, decoding again changes nothing', () => {
  const { object, unknownFields } = decode('deployment', typicalDeployment());
  assert.deepEqual(unknownFields, []);
  assert.equal(printed('deployment', object), JSON.stringify(object));
});

test('decode: JSON schemas in CRDs: booleans and lists where they are allowed, recursion', () => {
  const openAPIV3Schema = {
    type: 'object',
    properties: {
      a: { type: 'array', items: { type: 'string', default: null } },
      b: { additionalProperties: false, default: { x: [1] } },
    },
  };
  const crd = { spec: { versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }] } };
  const { object, unknownFields } = decode('crd', crd);
  assert.deepEqual(unknownFields, []);
  const schema = object.spec.versions[0].schema.openAPIV3Schema;
  assert.deepEqual(schema.properties.a, { type: 'array', items: { type: 'string' } });
  assert.deepEqual(schema.properties.b, { default: { x: [1] }, additionalProperties: false });
});

/** Values of the right shape for a schema, and now and then of a wrong one. */
function valueFor(name: string, depth: number): fc.Arbitrary<unknown> {
  const fields = Object.entries(schemas.get(name)?.fields ?? {});
  return fc.subarray(fields, { maxLength: Math.min(6, fields.length) }).chain((chosen) =>
    fc.record(
      Object.fromEntries(
        chosen.map(([key, field]) => {
          const leaf = fc.oneof(fc.constantFrom(null, '', 'x', 0, 1, true, false, '1Gi', '2020-01-01T00:00:00Z'));
          if (depth === 0) return [key, leaf];
          if (field.ref) return [key, fc.oneof({ weight: 5, arbitrary: valueFor(field.ref, depth - 1) }, leaf)];
          const item = field.items?.ref ? valueFor(field.items.ref, depth - 1) : leaf;
          if (field.type === 'array') return [key, fc.array(item, { maxLength: 2 })];
          if (field.type === 'object') return [key, fc.dictionary(fc.string({ maxLength: 3 }), leaf, { maxKeys: 3 })];
          return [key, leaf];
        }),
      ),
    ),
  );
}

test('decode: any value: is decoded to a fixed point, or refused', () => {
  for (const name of Object.values(schemaNames)) {
    fc.assert(
      fc.property(valueFor(name, 3), (value) => {
        let first: unknown;
        try {
          first = decodeObject(schemas, name, value).object;
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
          return;
        }
        const second = decodeObject(schemas, name, JSON.parse(JSON.stringify(first)));
        assert.equal(JSON.stringify(second.object), JSON.stringify(first));
        assert.deepEqual(second.unknownFields, []);
      }),
      { numRuns: 100 },
    );
  }
});

test('decode: every schema: an empty object has a printed form that decodes to itself', () => {
  for (const name of schemas.names()) {
    if (!schemas.get(name)?.fields) continue;
    const first = decodeObject(schemas, name, {});
    const second = decodeObject(schemas, name, JSON.parse(JSON.stringify(first.object)));
    assert.equal(JSON.stringify(second.object), JSON.stringify(first.object), name);
  }
});

test('decode: what a real API server stored: decodes to itself', () => {
  const roles: { items: object[] } = JSON.parse(readFileSync(new URL('clusterroles.json', bootstrap), 'utf8'));
  assert.ok(roles.items.length > 50);
  for (const role of roles.items) {
    const { object, unknownFields } = decodeObject(schemas, 'io.k8s.api.rbac.v1.ClusterRole', role);
    assert.deepEqual(object, role);
    assert.deepEqual(unknownFields, []);
  }
});
const bootstrap = new URL('../../apis/facts/bootstrap/', import.meta.url);
