import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deepEqual } from '../deep-equal.ts';
import type { KubeObject } from '../object.ts';
import { decodeObject } from '../schema/decode.ts';
import { isStatusError } from '../status-error.ts';
import { schemaNames, schemas } from '../testing/fixtures.ts';
import { findMisfit } from './check-applied.ts';
import { conflictError } from './conflict-error.ts';
import { ApplyConflicts, apply, update, type VersionedKind } from './field-manager.ts';
import { pathsOf } from './field-set.ts';
import { lastAppliedAnnotation, lastAppliedPaths, updateLastApplied } from './last-applied.ts';
import { capUpdateManagers, decodeManagers, encodeManagers, type Managers, updateManagersMax } from './managers.ts';
import { merge } from './merge.ts';
import { ownedPaths } from './owned-paths.ts';
import { formatPath } from './path-element.ts';
import { structuresOf, untyped } from './structure.ts';

const structures = structuresOf(schemas);
const deployment = structures.root(schemaNames.deployment);

const kind: VersionedKind = {
  structures,
  typeOf: (apiVersion) => (apiVersion === 'apps/v1' ? deployment : undefined),
  convert: (object) => object,
  resetFields: undefined,
};

const empty = decodeObject(schemas, schemaNames.deployment, { kind: 'Deployment', apiVersion: 'apps/v1' }).object;

/** A deployment that is written to by many, as the server would do it. */
class Subject {
  object: KubeObject = empty;
  managers: Managers = new Map();

  apply(name: string, spec: unknown, options: { force?: boolean; metadata?: object } = {}): void {
    const configuration = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: options.metadata ?? {},
      spec,
    } as KubeObject;
    const writer = { name, subresource: '', apiVersion: 'apps/v1', time: '2020-01-01T00:00:00Z' };
    const applied = apply(kind, writer, this.managers, this.object, configuration, options.force ?? false);
    this.managers = applied.managers;
    if (applied.object) this.object = decodeObject(schemas, schemaNames.deployment, applied.object).object;
  }

  update(name: string, change: (object: KubeObject) => void, time = '2020-01-01T00:00:00Z'): void {
    const now = structuredClone(this.object);
    change(now);
    update(kind, { name, subresource: '', apiVersion: 'apps/v1', time }, this.managers, this.object, now);
    this.object = now;
  }

  get containers(): any[] {
    return this.object['spec'].template.spec.containers ?? [];
  }

  owned(name: string): string[] {
    const found = [...this.managers.values()].find((m) => m.name === name);
    return pathsOf(found?.set).map(formatPath);
  }
}

const withContainers = (...containers: object[]) => ({ template: { spec: { containers } } });

function conflictsOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ApplyConflicts);
    const status = conflictError(error.conflicts);
    assert.ok(isStatusError(status, 'Conflict'));
    return status.message;
  }
  return assert.fail('no conflict');
}

test('apply: a field left out: gone, unless another owns it', () => {
  const s = new Subject();
  s.apply('a', { replicas: 2, paused: true, minReadySeconds: 3 });
  s.apply('b', { minReadySeconds: 3 });
  s.apply('a', { replicas: 2 });
  assert.deepEqual(
    [s.object['spec'].replicas, s.object['spec'].paused, s.object['spec'].minReadySeconds],
    [2, undefined, 3],
  );
  assert.deepEqual([s.owned('a'), s.owned('b')], [['.spec.replicas'], ['.spec.minReadySeconds']]);
});

test('apply: a struct left out: goes with what the server put into it, but not with what another owns', () => {
  const s = new Subject();
  s.apply('a', { strategy: { rollingUpdate: { maxSurge: 1 } } });
  s.update('defaulter', (o) => {
    o['spec'].progressDeadlineSeconds = 600;
  });
  // The server's own defaults have no owner.
  s.object = structuredClone(s.object);
  s.object['spec'].strategy.type = 'RollingUpdate';
  s.apply('a', {});
  assert.deepEqual(s.object['spec'].strategy, {});
  assert.equal(s.object['spec'].progressDeadlineSeconds, 600);
});

test('apply: elements of a list by key: each with its owners', () => {
  const s = new Subject();
  s.apply('a', withContainers({ name: 'x', image: 'x:1', env: [{ name: 'A', value: '1' }] }));
  s.apply('b', withContainers({ name: 'x', env: [{ name: 'B', value: '2' }] }, { name: 'y', image: 'y:1' }));
  assert.deepEqual(
    s.containers.map((c) => [c.name, c.env?.map((e: any) => e.name)]),
    [
      ['x', ['A', 'B']],
      ['y', undefined],
    ],
  );
  s.apply('b', withContainers({ name: 'x', env: [{ name: 'B', value: '3' }] }));
  assert.deepEqual(
    s.containers.map((c) => c.name),
    ['x'],
  );
  s.apply('a', withContainers({ name: 'x', image: 'x:1' }));
  assert.deepEqual(s.containers[0].env, [{ name: 'B', value: '3' }]);
});

test('apply: conflicts: named by field and manager, and by version for updaters', () => {
  const s = new Subject();
  s.apply('a', withContainers({ name: 'x', image: 'x:1', env: [{ name: 'A', value: '1' }] }));
  assert.equal(
    conflictsOf(() => s.apply('b', withContainers({ name: 'x', image: 'x:2' }))),
    'Apply failed with 1 conflict: conflict with "a": .spec.template.spec.containers[name="x"].image',
  );
  s.update('kubectl-scale', (o) => {
    o['spec'].replicas = 5;
  });
  assert.equal(
    conflictsOf(() =>
      s.apply('b', { replicas: 1, ...withContainers({ name: 'x', env: [{ name: 'A', value: '9' }] }) }),
    ),
    [
      'Apply failed with 2 conflicts: conflicts with "a":',
      '- .spec.template.spec.containers[name="x"].env[name="A"].value',
      'conflicts with "kubectl-scale" using apps/v1:',
      '- .spec.replicas',
    ].join('\n'),
  );
  assert.deepEqual(s.owned('b'), []);
});

test('apply: force: takes the fields, and the loser of all is gone', () => {
  const s = new Subject();
  s.apply('a', { replicas: 1 });
  s.apply('b', { replicas: 2 }, { force: true });
  assert.equal(s.object['spec'].replicas, 2);
  assert.deepEqual(
    [...s.managers.values()].map((m) => m.name),
    ['b'],
  );
});

test('apply: same value: shared, and the time is of the last change', () => {
  const s = new Subject();
  s.apply('a', { replicas: 1 });
  s.apply('b', { replicas: 1 });
  assert.deepEqual([s.owned('a'), s.owned('b')], [['.spec.replicas'], ['.spec.replicas']]);
  assert.deepEqual(
    encodeManagers(s.managers)!.map((e) => [e.manager, e.time]),
    [
      ['b', undefined],
      ['a', '2020-01-01T00:00:00Z'],
    ],
  );
});

test('apply: sets and atomic lists: elements of the one, all of the other', () => {
  const s = new Subject();
  s.apply('a', {}, { metadata: { finalizers: ['x/a', 'x/b'] } });
  s.apply('b', {}, { metadata: { finalizers: ['x/c'] } });
  s.apply('a', {}, { metadata: { finalizers: ['x/b'] } });
  assert.deepEqual(s.object.metadata.finalizers, ['x/b', 'x/c']);
  s.apply('a', withContainers({ name: 'x', args: ['1', '2'] }));
  const message = conflictsOf(() => s.apply('b', withContainers({ name: 'x', args: ['1'] })));
  assert.match(message, /containers\[name="x"\]\.args$/);
});

test('apply: order of a list: the configuration’s, with others where they were', () => {
  const type = { type: 'array', listType: 'set', items: { type: 'string' } } as const;
  const cases: [string, string, string][] = [
    ['axb', 'bna', 'xbna'],
    ['ab', 'ba', 'ba'],
    ['abx', 'ban', 'bxan'],
    ['xay', 'zab', 'xzayb'],
    ['', 'ab', 'ab'],
    ['ab', '', 'ab'],
  ];
  for (const [live, applied, expected] of cases) {
    const merged = merge(structures, { ...type }, [...live], applied === '' ? undefined : [...applied]) as string[];
    assert.equal(merged.join(''), expected, `${live} + ${applied}`);
  }
});

test('apply: what does not fit: told with its path', () => {
  const misfit = (object: unknown) => findMisfit(structures, deployment, object);
  assert.equal(misfit({ spec: { replicas: 1 } }), undefined);
  assert.equal(misfit({ spec: { nosuch: 1 } }), '.spec.nosuch: field not declared in schema');
  assert.equal(misfit({ spec: [1] }), '.spec: expected map, got &{[1]}');
  assert.equal(misfit({ spec: { replicas: 'x' }, metadata: { name: true } })?.split('\n')[0], 'errors:');
  const twice = withContainers({ name: 'x' }, { name: 'x' });
  assert.equal(misfit({ spec: twice }), '.spec.template.spec.containers: duplicate entries for key [name="x"]');
});

test('update: what changed: moves to who changed it', () => {
  const s = new Subject();
  s.apply('a', { replicas: 1, minReadySeconds: 1 });
  s.update('b', (o) => {
    o['spec'].replicas = 2;
  });
  assert.deepEqual([s.owned('a'), s.owned('b')], [['.spec.minReadySeconds'], ['.spec.replicas']]);
  const managers = s.managers;
  s.update('c', () => {});
  assert.deepEqual(
    [...managers.values()].map((m) => m.name),
    ['a', 'b'],
  );
  s.update('c', (o) => {
    delete o['spec'].minReadySeconds;
  });
  assert.deepEqual(
    [...s.managers.values()].map((m) => m.name),
    ['b'],
  );
});

test('managers: unchanged: written as they were read', () => {
  const s = new Subject();
  s.apply('a', { replicas: 1 });
  const entries = JSON.parse(JSON.stringify(encodeManagers(s.managers)));
  s.managers = decodeManagers(entries)!;
  s.update('b', (o) => {
    o['spec'].minReadySeconds = 2;
  });
  assert.equal(encodeManagers(s.managers)![0], entries[0]);
});

test('managers: what no server wrote: is not understood', () => {
  const entry = { manager: 'a', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: {} };
  assert.equal(decodeManagers([entry])?.size, 1);
  for (const bad of [
    { ...entry, operation: 'X' },
    { ...entry, apiVersion: '' },
    { ...entry, fieldsType: 'V9' },
    null,
  ]) {
    assert.equal(decodeManagers([bad]), undefined);
  }
  assert.equal(decodeManagers('x'), undefined);
});

test('managers: many updaters: the oldest are joined', () => {
  const s = new Subject();
  for (let i = 0; i < updateManagersMax + 3; i++) {
    const second = String(i).padStart(2, '0');
    s.update(
      `u${i}`,
      (o) => Object.assign(o.metadata, { labels: { ...o.metadata.labels, [`l${i}`]: '' } }),
      `2020-01-01T00:00:${second}Z`,
    );
    capUpdateManagers(s.managers);
  }
  const entries = encodeManagers(s.managers)!;
  assert.equal(entries.length, updateManagersMax);
  assert.deepEqual([entries[0]!.manager, entries[1]!.manager], ['ancient-changes', 'u4']);
  const joined = s.owned('ancient-changes');
  for (let i = 0; i < 4; i++) assert.ok(joined.includes(`.metadata.labels.l${i}`), String(joined));
});

test('last applied: what client-side apply set and still is: the client’s own', () => {
  const configuration = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {},
    spec: { replicas: 1, minReadySeconds: 5 },
  };
  const s = new Subject();
  s.update('kubectl-client-side-apply', (o) => {
    o['spec'].replicas = 1;
    o['spec'].minReadySeconds = 6;
    o.metadata.annotations = { [lastAppliedAnnotation]: JSON.stringify(configuration) };
  });
  const own = pathsOf(lastAppliedPaths(kind, s.object)).map(formatPath);
  assert.deepEqual(
    own.filter((path) => path.startsWith('.spec')),
    ['.spec.replicas'],
  );
  const sent = { ...configuration, metadata: { annotations: { z: '1', [lastAppliedAnnotation]: 'old' } } };
  const copy = structuredClone(s.object);
  updateLastApplied(copy, sent);
  assert.equal(
    copy.metadata.annotations![lastAppliedAnnotation],
    '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"z":"1"}},"spec":{"minReadySeconds":5,"replicas":1}}\n',
  );
});

test('untyped values: maps divide, lists do not', () => {
  const set = ownedPaths(structures, untyped, { a: { b: 1, c: [1, { d: 2 }] }, e: {} });
  assert.deepEqual(set, { 'f:a': { '.': {}, 'f:b': {}, 'f:c': {} }, 'f:e': {} });
});

const name = fc.constantFrom('x', 'y', 'z');
const env = fc.uniqueArray(fc.record({ name: fc.constantFrom('A', 'B'), value: fc.constantFrom('1', '2') }), {
  selector: (e) => e.name,
  minLength: 1,
  maxLength: 2,
});
const container = fc.record(
  {
    name,
    image: fc.constantFrom('i:1', 'i:2'),
    env,
    args: fc.array(fc.constantFrom('p', 'q'), { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: ['name', 'image'] },
);
const spec = fc.record(
  {
    replicas: fc.integer({ min: 1, max: 3 }),
    minReadySeconds: fc.integer({ min: 1, max: 2 }),
    template: fc.record({
      metadata: fc.record({
        labels: fc.dictionary(fc.constantFrom('l', 'm'), fc.constantFrom('1', '2'), { minKeys: 1 }),
      }),
      spec: fc.record({
        containers: fc.uniqueArray(container, { selector: (c) => c.name, minLength: 1, maxLength: 3 }),
      }),
    }),
  },
  { requiredKeys: [] },
);
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value));

test('apply: twice the same: the second changes nothing', () => {
  fc.assert(
    fc.property(spec, spec, (first, second) => {
      const s = new Subject();
      s.apply('other', plain(first));
      s.apply('me', plain(second), { force: true });
      const { object } = s;
      const owners = JSON.stringify(encodeManagers(s.managers));
      s.apply('me', plain(second));
      assert.equal(s.object, object);
      assert.equal(JSON.stringify(encodeManagers(s.managers)), owners);
    }),
    { numRuns: 500 },
  );
});

test('apply: then without: exactly what only it owned is gone', () => {
  fc.assert(
    fc.property(spec, spec, (first, second) => {
      const s = new Subject();
      s.apply('other', plain(first));
      const before = s.object;
      const alone = new Subject();
      alone.apply('other', plain(first), { force: true });
      s.apply('me', plain(second), { force: true });
      const mine = new Set(s.owned('me'));
      const others = new Set(s.owned('other'));
      s.apply('me', {});
      assert.deepEqual(s.owned('me'), ['.spec']);
      // What the other still owns is as it set it; what was taken from it by force is gone, and nothing else is left.
      const left = new Set(pathsOf(ownedPaths(structures, deployment, s.object)).map(formatPath));
      for (const path of others) if (path !== '.spec') assert.ok(left.has(path), `${path} of another is gone`);
      for (const path of mine) if (path !== '.spec' && !others.has(path)) assert.ok(!left.has(path), `${path} is left`);
      if (mine.isDisjointFrom(new Set(alone.owned('other'))))
        assert.ok(deepEqual(s.object, before), JSON.stringify([s.object, before]));
    }),
    { numRuns: 500 },
  );
});
