/** Replays what a real API server added to minimal objects (facts/defaults-observed.json). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeObject } from '#apimachinery/schema/decode.ts';
import facts from './facts/defaults-observed.json' with { type: 'json' };
import { scheme } from './scheme.ts';
import { jane } from './testing/fixtures.ts';

/** Added by admission, by allocators or by the registry, not by the kind. */
const byOthers: Record<string, RegExp> = {
  '': /^metadata\.(namespace|generation)$/,
  pods: /kube-api-access|^spec\.(tolerations|priority|preemptionPolicy|volumes\[8\])$|\.volumeMounts$/,
  services: /clusterIP|nodePort|^spec\.ipFamil/,
  nodes: /^spec$/,
  persistentvolumes: /^metadata\.finalizers$/,
  persistentvolumeclaims: /^metadata\.finalizers$/,
};

const created = '2026-01-01T00:00:00Z';
const observed: typeof facts = JSON.parse(JSON.stringify(facts).replaceAll('{time}', created));

for (const { case: name, group, version, resource, sent, added } of observed.cases) {
  test(`defaults: ${resource}: ${name}`, () => {
    const info = scheme.resource(group, version, resource)!;
    const decode = (value: unknown) => decodeObject(scheme.schemas, info.schema, value).object;
    const object = decode({ ...sent, apiVersion: group ? `${group}/${version}` : version, kind: info.kind });
    object.metadata.uid = '{uuid}';
    object.metadata.creationTimestamp = created;
    scheme.kind(info)?.setDefaults?.(object);
    scheme.strategy(group, resource).prepareForCreate?.(object, jane);
    const result = decode(object);

    const expected = structuredClone(sent) as Record<string, unknown>;
    for (const [path, value] of added as [string, unknown][])
      if (!byOthers['']!.test(path) && !byOthers[resource]?.test(path)) put(expected, path, value);
    const { apiVersion: _apiVersion, kind: _kind, ...rest } = result;
    delete rest.metadata.uid;
    delete rest.metadata.creationTimestamp;
    assert.deepEqual(decode(rest), decode(expected));
    // What the schema fills in by itself must not hide a missing default.
    for (const [path, value] of added as [string, unknown][])
      if (!byOthers['']!.test(path) && !byOthers[resource]?.test(path)) assert.deepEqual(at(result, path), value, path);
  });
}

function steps(path: string): string[] {
  // Keys of annotations have dots of their own; none of the observed paths goes into them.
  return path.replace(/\[(\d+)\]/g, '.$1').split('.');
}

function put(target: Record<string, unknown>, path: string, value: unknown): void {
  const keys = steps(path);
  let place: any = target;
  for (const key of keys.slice(0, -1)) place = place[key] ??= {};
  place[keys.at(-1)!] = value;
}

function at(object: unknown, path: string): unknown {
  return steps(path).reduce((place: any, key) => place?.[key], object);
}
