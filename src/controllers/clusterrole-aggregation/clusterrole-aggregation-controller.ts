/** A ClusterRole with an aggregationRule (admin, edit, view) has the rules of all ClusterRoles its selectors match. */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { labelSelectorFromObject, matchesLabels } from '#apimachinery/selector/labels.ts';
import { objectKey } from '#client/informer.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { type LabelSelector, resources } from '../resources.ts';

interface ClusterRole extends KubeObject {
  aggregationRule?: { clusterRoleSelectors?: LabelSelector[] };
  rules?: object[] | null;
}

const fieldManager = 'clusterrole-aggregation-controller';

export function clusterRoleAggregationController(context: ControllerContext): Controller {
  const { client, informers } = context;
  const roles = informers.informer<ClusterRole>(resources.clusterroles);
  const queue = context.newQueue('ClusterRoleAggregator');
  const aggregated = 'aggregated';
  roles.addIndex(aggregated, (role) => (role.aggregationRule ? ['yes'] : []));
  const enqueueAll = () => {
    for (const role of roles.byIndex(aggregated, 'yes')) queue.add(objectKey(role));
  };
  roles.addHandler({
    added: enqueueAll,
    updated: (role, old) => {
      const isSame =
        deepEqual(role.rules, old.rules) &&
        deepEqual(role.metadata.labels, old.metadata.labels) &&
        deepEqual(role.aggregationRule, old.aggregationRule);
      if (!isSame) enqueueAll();
    },
    deleted: enqueueAll,
  });

  async function sync(key: string): Promise<void> {
    const role = roles.get(key);
    if (!role?.aggregationRule) return;
    const rules = aggregate(role, roles.list());
    if (deepEqual(rules, role.rules ?? [])) return;
    const { apiVersion, kind } = role;
    const patch = { apiVersion, kind, metadata: { name: role.metadata.name }, rules };
    await client
      .resource(resources.clusterroles)
      .patch(key, 'application/apply-patch+yaml', patch, { fieldManager, force: true });
  }

  return {
    name: 'clusterrole-aggregation-controller',
    async run(signal) {
      await cachesSynced(signal, roles);
      await queue.process(context.options.concurrentSyncs, sync, signal);
    },
  };
}

/** In the order of the selectors, then of the roles' names; a rule that is there already is not repeated. */
function aggregate(role: ClusterRole, all: readonly ClusterRole[]): object[] {
  const rules: object[] = [];
  const byName = [...all].sort((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
  for (const selector of (role.aggregationRule?.clusterRoleSelectors ?? []).map(labelSelectorFromObject)) {
    for (const other of byName) {
      if (other.metadata.name === role.metadata.name || !matchesLabels(selector, other.metadata.labels)) continue;
      for (const rule of other.rules ?? []) if (!rules.some((r) => deepEqual(r, rule))) rules.push(rule);
    }
  }
  return rules;
}
