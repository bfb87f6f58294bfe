import assert from 'node:assert/strict';
import { test } from 'node:test';
import { created, errorsOf, objectOf, rowOf, strategyOf, updateErrorsOf } from '../../testing/fixtures.ts';

function service(spec: object) {
  return objectOf('v1', 'Service', { spec });
}

test('service: validation: ports', () => {
  assert.deepEqual(errorsOf(service({})), ['spec.ports: Required value']);
  assert.deepEqual(errorsOf(service({ ports: [{ port: 80 }, { port: 81 }] })), [
    'spec.ports[0].name: Required value',
    'spec.ports[1].name: Required value',
  ]);
  assert.deepEqual(errorsOf(service({ clusterIP: 'None' })), []);
});

test('service: update: what was allocated stays when left out, and goes with the type', () => {
  const old = service({
    type: 'NodePort',
    clusterIP: '10.0.0.5',
    clusterIPs: ['10.0.0.5'],
    ports: [{ port: 80, nodePort: 30080 }],
  });
  const update = (spec: object) => {
    const object = service(spec);
    strategyOf(object).prepareForUpdate!(object, old);
    return object.spec;
  };
  const kept = update({ type: 'NodePort', ports: [{ port: 80 }] });
  assert.deepEqual([kept.clusterIP, kept.ports[0].nodePort], ['10.0.0.5', 30080]);
  assert.equal(update({ type: 'ClusterIP', ports: [{ port: 80, nodePort: 30080 }] }).ports[0].nodePort, undefined);
  const external = update({
    type: 'ExternalName',
    externalName: 'a.b',
    clusterIP: '10.0.0.5',
    clusterIPs: ['10.0.0.5'],
  });
  assert.equal(external.clusterIP, undefined);
});

test('service: update: the cluster address may not change', () => {
  const at = (ip: string) => service({ clusterIP: ip, clusterIPs: [ip], ports: [{ port: 80 }] });
  assert.deepEqual(updateErrorsOf(at('10.0.0.6'), at('10.0.0.5')), [
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.6"]: may not change once set',
  ]);
});

test('service: table: addresses and ports of each type', () => {
  const cells = (spec: object) => rowOf(service(spec)).slice(1, 5);
  const ports = [
    { name: 'a', port: 80, nodePort: 30080 },
    { name: 'b', port: 53, protocol: 'UDP' },
  ];
  assert.deepEqual(cells({ type: 'NodePort', clusterIP: '10.0.0.5', ports }), [
    'NodePort',
    '10.0.0.5',
    '<none>',
    '80:30080/TCP,53/UDP',
  ]);
  assert.equal(cells({ type: 'LoadBalancer', ports })[2], '<pending>');
  assert.equal(cells({ type: 'ExternalName', externalName: 'a.b' })[2], 'a.b');
});

test('config map: immutable: data stays, and immutable too', () => {
  const map = (fields: Record<string, unknown>) => objectOf('v1', 'ConfigMap', fields);
  const old = map({ data: { a: '1' }, immutable: true });
  assert.deepEqual(updateErrorsOf(map({ data: { a: '2' }, immutable: true }), old), [
    'data: Forbidden: field is immutable when `immutable` is set',
  ]);
  assert.deepEqual(updateErrorsOf(map({ data: { a: '1' } }), old), [
    'immutable: Forbidden: field is immutable when `immutable` is set',
  ]);
});

test('config map: validation: keys and size', () => {
  const map = (fields: Record<string, unknown>) => objectOf('v1', 'ConfigMap', fields);
  assert.match(
    errorsOf(map({ data: { 'a/b': 'x' } }))[0]!,
    /^data\[a\/b\]: Invalid value: "a\/b": a valid config key must/,
  );
  assert.deepEqual(errorsOf(map({ data: { a: 'x'.repeat(1024 * 1024) } })), []);
  assert.deepEqual(errorsOf(map({ data: { a: 'é'.repeat(512 * 1024 + 1) } })), [
    '[]: Too long: may not be more than 1048576 bytes',
  ]);
});

test('secret: stringData: becomes data', () => {
  const secret = objectOf('v1', 'Secret', { stringData: { k: 'wert' } });
  assert.deepEqual([secret.data, secret.stringData, secret.type], [{ k: 'd2VydA==' }, undefined, 'Opaque']);
});

test('secret: validation: well-known types need their keys', () => {
  const secret = (type: string, stringData = {}) =>
    objectOf('v1', 'Secret', { type: `kubernetes.io/${type}`, stringData });
  assert.deepEqual(errorsOf(secret('tls')), ['data[tls.crt]: Required value', 'data[tls.key]: Required value']);
  assert.deepEqual(errorsOf(secret('dockerconfigjson', { '.dockerconfigjson': 'x' })), [
    'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid character \'x\' looking for beginning of value',
  ]);
});

test('namespace: creation: active, finalized by the server, labelled by its name', () => {
  const namespace = created(
    objectOf('v1', 'Namespace', { metadata: { labels: { 'kubernetes.io/metadata.name': 'other' } } }),
  );
  assert.deepEqual(namespace.spec.finalizers, ['kubernetes']);
  assert.equal(namespace['status'].phase, 'Active');
  assert.equal(namespace.metadata.labels!['kubernetes.io/metadata.name'], 'x');
});

test('node: table: status and roles', () => {
  const node = objectOf('v1', 'Node', {
    metadata: { labels: { 'node-role.kubernetes.io/worker': '', 'node-role.kubernetes.io/control-plane': '' } },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: 'Ready', status: 'Unknown' }],
      addresses: [{ type: 'InternalIP', address: '10.1.1.1' }],
    },
  });
  const cells = rowOf(node);
  assert.deepEqual(cells.slice(1, 3), ['NotReady,SchedulingDisabled', 'control-plane,worker']);
  assert.equal(cells[5], '10.1.1.1');
});

test('event: new style: immutable, with demands on its texts', () => {
  const event = (fields: object) =>
    objectOf('v1', 'Event', {
      metadata: { namespace: 'ns' },
      involvedObject: { namespace: 'ns' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingComponent: 'a.b/c',
      reportingInstance: 'i',
      action: 'A',
      reason: 'R',
      type: 'Normal',
      ...fields,
    });
  assert.deepEqual(errorsOf(event({ type: 'Odd', message: 'n'.repeat(1025) })), [
    'message: Invalid value: "": can have at most 1024 characters',
    'type: Invalid value: "": has invalid value: Odd',
  ]);
  assert.deepEqual(updateErrorsOf(event({ message: 'other' }), event({})), [
    'message: Invalid value: "other": field is immutable',
  ]);
});

test('persistent volume claim: update: only a bound claim may grow', () => {
  const claim = (storage: string, phase: string) =>
    objectOf('v1', 'PersistentVolumeClaim', {
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
      status: { phase },
    });
  assert.deepEqual(updateErrorsOf(claim('2Gi', 'Bound'), claim('1Gi', 'Bound')), []);
  assert.match(
    updateErrorsOf(claim('2Gi', 'Pending'), claim('1Gi', 'Pending'))[0]!,
    /^spec: Forbidden: spec is immutable/,
  );
});

test('limit range: defaults: the limit from the maximum, the request from the limit', () => {
  const range = objectOf('v1', 'LimitRange', {
    spec: { limits: [{ type: 'Container', max: { cpu: '2' }, min: { memory: '1' } }] },
  });
  const [item] = range.spec.limits;
  assert.deepEqual([item.default, item.defaultRequest], [{ cpu: '2' }, { cpu: '2', memory: '1' }]);
});
