import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { chooseSpec } from './spec.ts';

/** Unlikely to be used by anything else on the machine that runs the tests. */
const port = 23_456;
const store = { kind: 'embedded' } as const;

test('spec: linux: each master has an address of its own', { skip: process.platform !== 'linux' }, async () => {
  const spec = await chooseSpec({ port, masters: 3, nodes: 0, store }, undefined, 'linux', Math.random);
  assert.deepEqual(
    spec.masters.map((m) => [m.name, m.address, m.apiserverPort]),
    [
      ['master1', '127.0.1.1', port],
      ['master2', '127.0.1.2', port],
      ['master3', '127.0.1.3', port],
    ],
  );
});

test('spec: elsewhere: the masters share an address and no port', async () => {
  const spec = await chooseSpec({ port, masters: 3, nodes: 0, store }, undefined, 'darwin', Math.random);
  const all = spec.masters.flatMap((m) => [
    m.apiserverPort,
    m.healthPort,
    m.schedulerPort,
    m.controllerManagerPort,
    m.kubeletPort,
  ]);
  all.push(spec.port, spec.store.members[0]!.clientPort, spec.loadBalancerAdminPort, spec.nodesHealthPort);
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.every((p) => p > 1024 && p < 65_536));
});

test("spec: upstream's port: upstream's ports beside it; any other: away from outgoing connections", async () => {
  const other = await chooseSpec({ port, masters: 3, nodes: 0, store }, undefined, 'linux', () => 0.999);
  const ports = [
    other.store.members[0]!.clientPort,
    ...other.masters.flatMap((m) => [m.healthPort, m.schedulerPort, m.kubeletPort]),
  ];
  assert.ok(
    ports.every((p) => p >= 10_000 && p < 32_768),
    ports.join(),
  );
});

test('spec: a port in use: named, with the remedy', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: taken } = server.address() as { port: number };
  await assert.rejects(
    chooseSpec({ port: taken, masters: 1, nodes: 0, store }, undefined, 'linux', Math.random),
    new RegExp(`port ${taken} .* --port`),
  );
  server.close();
});
