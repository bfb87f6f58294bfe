import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { resources } from '../resources.ts';
import { type Bench, bench } from '../testing/fixtures.ts';
import { clusterRoleAggregationController } from './clusterrole-aggregation-controller.ts';

const { clusterroles } = resources;
const label = (to: string) => `rbac.authorization.k8s.io/aggregate-to-${to}`;
const rule = (resource: string) => ({ apiGroups: [''], resources: [resource], verbs: ['get'] });
const role = (name: string, rules: string[], to?: string): KubeObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name, ...(to && { labels: { [label(to)]: 'true' } }) },
  rules: rules.map(rule),
});
const aggregating = (name: string, from: string, to?: string): KubeObject => ({
  ...role(name, [], to),
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label(from)]: 'true' } }] },
});
const rulesOf = (b: Bench, name: string) =>
  (b.get(clusterroles, name)!['rules'] as { resources: string[] }[]).map((r) => r.resources[0]);

test('clusterrole aggregation: admin from edit from view: by labels, and kept up with every change', async () => {
  const b = await bench([clusterRoleAggregationController], {
    prepare: async (client) => {
      const roles = client.resource(clusterroles);
      await roles.create(aggregating('admin', 'admin'));
      await roles.create(aggregating('edit', 'edit', 'admin'));
      await roles.create(aggregating('view', 'view', 'edit'));
      await roles.create(role('system:view', ['pods', 'services'], 'view'));
      await roles.create(role('system:edit', ['services', 'secrets'], 'edit'));
      await roles.create(role('unrelated', ['nodes']));
    },
  });
  assert.deepEqual(rulesOf(b, 'view'), ['pods', 'services']);
  assert.deepEqual(rulesOf(b, 'edit'), ['services', 'secrets', 'pods']);
  assert.deepEqual(rulesOf(b, 'admin'), ['services', 'secrets', 'pods']);

  await b.of(clusterroles, '').create(role('a-widgets', ['widgets'], 'view'));
  await b.pass();
  for (const name of ['view', 'edit', 'admin']) assert.ok(rulesOf(b, name).includes('widgets'), name);
  await b.of(clusterroles, '').delete('a-widgets');
  await b.pass();
  for (const name of ['view', 'edit', 'admin']) assert.ok(!rulesOf(b, name).includes('widgets'), name);

  await b.of(clusterroles, '').patch('view', 'application/merge-patch+json', { rules: [rule('forged')] });
  await b.pass();
  assert.deepEqual(rulesOf(b, 'view'), ['pods', 'services']);
  b.client.actions.length = 0;
  await b.pass(10 * 60_000);
  assert.deepEqual(b.client.actions, []);
  await b.stop();
});
