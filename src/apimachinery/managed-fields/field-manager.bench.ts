/**
 * What noting owners costs a write: `node src/apimachinery/managed-fields/field-manager.bench.ts`. Beside what every write
 * does anyway, a copy and JSON of the object. Ratios count, not times.
 */
import { cloneJson } from '../json-value.ts';
import type { KubeObject } from '../object.ts';
import { decodeObject } from '../schema/decode.ts';
import { schemaNames, schemas, typicalDeployment } from '../testing/fixtures.ts';
import { apply, update, type VersionedKind } from './field-manager.ts';
import { pathSet } from './field-set.ts';
import { decodeManagers, encodeManagers, type Managers } from './managers.ts';
import { structuresOf } from './structure.ts';

const structures = structuresOf(schemas);
const type = structures.root(schemaNames.deployment);
const kind: VersionedKind = {
  structures,
  typeOf: () => type,
  convert: (object) => object,
  resetFields: pathSet('f:status'),
};
const decode = (object: unknown): KubeObject => decodeObject(schemas, schemaNames.deployment, object).object;

const configuration = typicalDeployment() as unknown as KubeObject;
const empty = decode({ kind: 'Deployment', apiVersion: 'apps/v1' });
const live = decode(configuration);
const scaled = cloneJson(live);
scaled['spec'].replicas = 9;
const writer = { name: 'me', subresource: '', apiVersion: 'apps/v1', time: '2020-01-01T00:00:00Z' };

const created: Managers = new Map();
update(kind, { ...writer, name: 'creator' }, created, empty, live);
const entries = encodeManagers(created);
const applied = apply(kind, writer, new Map(), empty, configuration, false);

const cases: Record<string, () => unknown> = {
  cloneJson: () => cloneJson(live),
  'JSON.stringify': () => JSON.stringify(live),
  'create: all is new': () => {
    const managers: Managers = new Map();
    update(kind, writer, managers, empty, live);
    return encodeManagers(managers);
  },
  'update: nothing changed': () => {
    const managers = decodeManagers(entries)!;
    update(kind, writer, managers, live, live);
    return encodeManagers(managers);
  },
  'update: a copy, nothing changed': () => {
    const managers = decodeManagers(entries)!;
    update(kind, writer, managers, live, copy);
    return encodeManagers(managers);
  },
  'update: one field changed': () => {
    const managers = decodeManagers(entries)!;
    update(kind, writer, managers, live, scaled);
    return encodeManagers(managers);
  },
  'apply: nothing changed': () => apply(kind, writer, applied.managers, live, configuration, false),
};
const copy = cloneJson(live);

const nanos: Record<string, number> = {};
for (let round = 0; round < 5; round++) {
  for (const [name, run] of Object.entries(cases)) {
    const iterations = 5_000;
    const start = process.hrtime.bigint();
    for (let i = 0; i < iterations; i++) run();
    const each = Number(process.hrtime.bigint() - start) / iterations;
    nanos[name] = Math.min(nanos[name] ?? Number.POSITIVE_INFINITY, each);
  }
}
for (const [name, ns] of Object.entries(nanos)) {
  const ratio = ns / nanos['cloneJson']!;
  console.log(`${name.padEnd(32)} ${(ns / 1000).toFixed(2).padStart(7)} µs  ${ratio.toFixed(2)} × cloneJson`);
}
