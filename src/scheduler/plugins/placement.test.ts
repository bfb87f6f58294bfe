/** Pods placed by other pods: affinity, anti-affinity, spreading; by whole decisions, as users see them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiClient } from '#client/client.ts';
import { seededRandom } from '#client/testing/fixtures.ts';
import type { Pod } from '../api-objects.ts';
import { SchedulerCache } from '../cache/scheduler-cache.ts';
import { defaultPlugins } from '../default-plugins.ts';
import { findNode } from '../find-node.ts';
import { CycleState } from '../framework/cycle-state.ts';
import { fitErrorMessage } from '../framework/fit-error.ts';
import { Framework } from '../framework/framework.ts';
import { newPodInfo } from '../framework/pod-info.ts';
import { testNode, testPod } from '../testing/fixtures.ts';

/** a1 and a2 in zone a, b1 in zone b, bare in none. */
function cluster(...pods: [pod: Pod, node: string][]) {
  const cache = new SchedulerCache();
  for (const [name, zone] of [
    ['a1', 'a'],
    ['a2', 'a'],
    ['b1', 'b'],
    ['bare', ''],
  ] as const) {
    cache.setNode(testNode(name, { labels: zone ? { zone } : {} }));
  }
  for (const [p, node] of pods) cache.setPod({ ...p, spec: { ...p.spec, nodeName: node } });
  const namespaceLabels = (name: string): Record<string, string> => (name === 'prod' ? { env: 'prod' } : {});
  const framework = new Framework(defaultPlugins({} as ApiClient, namespaceLabels));
  /** Every node that is ever chosen, or the message. */
  return (p: Pod): string => {
    const random = seededRandom(1);
    const chosen = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const found = findNode({ cache, framework, random }, new CycleState(), newPodInfo(p));
      if ('diagnosis' in found) return fitErrorMessage(cache.nodes.length, found.diagnosis);
      chosen.add(found.nodeName);
    }
    return [...chosen].sort().join(' ');
  };
}

const labelled = (name: string, app: string, spec: Partial<Pod['spec']> = {}, namespace = 'default'): Pod => {
  const p = testPod(name, spec);
  return { ...p, metadata: { ...p.metadata, namespace, labels: { app } } };
};
const term = (app: string, topologyKey = 'zone', more: object = {}) => ({
  labelSelector: { matchLabels: { app } },
  topologyKey,
  ...more,
});
const near = (...terms: object[]) => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms as never } },
});
const apart = (...terms: object[]) => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms as never } },
});
const spread = (maxSkew: number, more: object = {}) => ({
  topologySpreadConstraints: [
    {
      maxSkew,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
      ...more,
    },
  ],
});

test('scheduler: affinity: only where the others are', () => {
  const place = cluster([labelled('db', 'db'), 'b1']);
  assert.equal(place(labelled('p', 'web', near(term('db')))), 'b1');
  assert.equal(
    place(labelled('p', 'web', near(term('cache')))),
    "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.",
  );
});

test('scheduler: affinity: the first of a group begins where the topology is known', () => {
  assert.equal(cluster()(labelled('p', 'web', near(term('web')))), 'a1 a2 b1');
});

test('scheduler: affinity: other namespaces only by name or by label', () => {
  const place = cluster([labelled('db', 'db', {}, 'prod'), 'b1']);
  assert.match(place(labelled('p', 'web', near(term('db')))), /^0\/4/);
  assert.equal(place(labelled('p', 'web', near(term('db', 'zone', { namespaces: ['prod'] })))), 'b1');
  const byLabel = { namespaceSelector: { matchLabels: { env: 'prod' } } };
  assert.equal(place(labelled('p', 'web', near(term('db', 'zone', byLabel)))), 'b1');
});

test('scheduler: anti-affinity: one to a host', () => {
  const self = apart(term('web', 'kubernetes.io/hostname'));
  const place = cluster(...['a1', 'a2', 'b1'].map((n): [Pod, string] => [labelled(`w-${n}`, 'web'), n]));
  assert.equal(place(labelled('p', 'web', self)), 'bare');
  const full = cluster(...['a1', 'a2', 'b1', 'bare'].map((n): [Pod, string] => [labelled(`w-${n}`, 'web'), n]));
  assert.equal(
    full(labelled('p', 'web', self)),
    "0/4 nodes are available: 4 node(s) didn't match pod anti-affinity rules.",
  );
});

test('scheduler: anti-affinity: those who are there keep others away too', () => {
  const place = cluster([labelled('shy', 'shy', apart(term('web'))), 'a1']);
  assert.equal(place(labelled('p', 'web')), 'b1 bare');
  assert.equal(place(labelled('p', 'other')), 'a2 b1 bare');
});

test('scheduler: anti-affinity: preferred: as far as there is another place', () => {
  const preferred = {
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term('web') }],
      },
    },
  };
  const place = cluster([labelled('w', 'web'), 'a1'], [labelled('x', 'web'), 'bare']);
  assert.equal(place(labelled('p', 'web', { ...preferred, nodeSelector: { zone: 'a' } })), 'a2');
  assert.equal(place(labelled('p', 'web', preferred)), 'b1');
});

test('scheduler: spreading: never more than maxSkew above the emptiest zone', () => {
  const place = cluster([labelled('w1', 'web'), 'a1']);
  assert.equal(place(labelled('p', 'web', spread(1))), 'b1');
  assert.equal(place(labelled('p', 'other', spread(1))), 'a2 b1', 'does not count itself');
  const full = cluster([labelled('w1', 'web'), 'a1'], [labelled('w2', 'web'), 'b1']);
  assert.equal(full(labelled('p', 'web', spread(1))), 'a2');
});

test('scheduler: spreading: the node that has no such label, and zones that are too few', () => {
  const place = cluster([labelled('w1', 'web'), 'a1'], [labelled('w2', 'web'), 'b1']);
  assert.equal(
    place(labelled('p', 'web', spread(1, { minDomains: 3 }))),
    "0/4 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), 3 node(s) didn't match pod topology spread constraints.",
  );
});

test('scheduler: spreading: zones the pod cannot go to do not count', () => {
  const place = cluster([labelled('w1', 'web'), 'a1'], [labelled('w2', 'web'), 'a2']);
  assert.equal(place(labelled('p', 'web', { ...spread(1), nodeSelector: { zone: 'a' } })), 'a1 a2');
});
