import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RawStorage } from '#storage/storage.ts';
import { AllocationError } from './ip-allocator.ts';
import { addressAt, contains, formatIp, parseCidr, parseIp } from './ip-range.ts';
import { createNodePortAllocator } from './node-port-allocator.ts';
import { dropUnused, normalize, takeOverAllocated } from './service-fields.ts';

test('addresses: ranges: their parts and their bounds', () => {
  const range = parseCidr('10.0.0.77/24')!;
  assert.equal(addressAt(range, 1n), '10.0.0.1');
  assert.ok(contains(range, '10.0.0.255') && !contains(range, '10.0.1.0') && !contains(range, 'fd00::1'));
  assert.equal(addressAt(parseCidr('fd00:10:96::/112')!, 1n), 'fd00:10:96::1');
  for (const bad of ['10.0.0.0', '10.0.0.0/33', 'x/24', '10.0.0.0/', '/24'])
    assert.equal(parseCidr(bad), undefined, bad);
});

test('addresses: texts: parsing what was formatted gives the same', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 128n - 1n), (value) => {
      assert.equal(parseIp(formatIp(value, 'IPv6'))!.value, value);
      assert.equal(parseIp(formatIp(value % 2n ** 32n, 'IPv4'))!.value, value % 2n ** 32n);
    }),
  );
});

/** One key, with compare-and-swap. */
function memory(): RawStorage {
  let stored: { value: Buffer; revision: number } | undefined;
  return {
    get: async () => stored,
    list: async () => [],
    async put(_key, value, options) {
      if (options?.ifRevision !== undefined && options.ifRevision !== (stored?.revision ?? 0)) return false;
      stored = { value, revision: (stored?.revision ?? 0) + 1 };
      return true;
    },
    async delete() {},
  };
}

test('node ports: two allocators: never the same, until the range is full', async () => {
  const raw = memory();
  const range = { first: 30000, last: 30019 };
  const [a, b] = [createNodePortAllocator(raw, range, Math.random), createNodePortAllocator(raw, range, Math.random)];
  const ports = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).allocate(undefined, false)));
  assert.deepEqual(
    [...ports].sort(),
    Array.from({ length: 20 }, (_, i) => 30000 + i),
  );
  await assert.rejects(async () => a.allocate(undefined, false), /range is full/);
  await a.release([30007]);
  await assert.rejects(async () => b.allocate(30008, false), /provided port is already allocated/);
  assert.equal(await b.allocate(30007, true), 30007, 'a dry run takes nothing');
  assert.equal(await b.allocate(30007, false), 30007);
  await assert.rejects(async () => b.allocate(80, false), AllocationError);
  assert.equal((await a.allocated()).length, 20);
});

test('node ports: bitmap: upstream’s form', async () => {
  const raw = memory();
  const ports = createNodePortAllocator(raw, { first: 30000, last: 32767 }, Math.random);
  await ports.allocate(30000, false);
  await ports.allocate(30009, false);
  const stored = JSON.parse((await raw.get(''))!.value.toString());
  assert.deepEqual(
    [stored.kind, stored.range, stored.data],
    ['RangeAllocation', '30000-32767', Buffer.from([2, 1]).toString('base64')],
  );
});

const service = (spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec }) as any;

test('services: updates: what is left out is kept, what the type has no use for goes', () => {
  const ports = [{ port: 80, protocol: 'TCP', nodePort: 30001 }];
  const old = service({
    type: 'NodePort',
    clusterIP: '10.0.0.9',
    clusterIPs: ['10.0.0.9'],
    ipFamilies: ['IPv4'],
    ports,
  });
  const kept = service({ type: 'NodePort', ports: [{ port: 80, protocol: 'TCP' }] });
  takeOverAllocated(kept, old);
  assert.deepEqual(
    [kept.spec.clusterIP, kept.spec.clusterIPs, kept.spec.ports[0].nodePort],
    ['10.0.0.9', ['10.0.0.9'], 30001],
  );
  const inner = service({ ...structuredClone(old.spec), type: 'ClusterIP' });
  dropUnused(inner, old);
  assert.equal(inner.spec.ports[0].nodePort, undefined);
  const external = service({ ...structuredClone(old.spec), type: 'ExternalName' });
  dropUnused(external, old);
  assert.deepEqual(Object.keys(external.spec), ['type', 'ports']);
  const headless = service({ type: 'ClusterIP', clusterIP: 'None' });
  normalize(headless, 'IPv4');
  assert.deepEqual(headless.spec.clusterIPs, ['None']);
});
