import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { attributesFor, pod } from '../testing/admission-attributes.ts';
import { createAdmissionChain, enabledPlugins } from './chain.ts';
import { defaultStorageClass } from './plugins/default-class.ts';
import { defaultTolerationSeconds } from './plugins/default-toleration-seconds.ts';
import { limitRanger } from './plugins/limit-ranger.ts';
import { namespaceLifecycle } from './plugins/namespace-lifecycle.ts';
import { nodeRestriction } from './plugins/node-restriction.ts';
import { podSecurity } from './plugins/pod-security.ts';
import { priority } from './plugins/priority.ts';
import { resourceQuota } from './plugins/resource-quota.ts';
import { serviceAccount } from './plugins/service-account.ts';
import { storageObjectInUseProtection } from './plugins/storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './plugins/taint-nodes-by-condition.ts';
import { violations } from './pod-security/checks.ts';

function named(kind: string, name: string, more: object = {}): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name }, ...more };
}

test('admission: chain: the default plugins, more and fewer, in one order', async () => {
  const names = enabledPlugins(['NodeRestriction'], ['ServiceAccount']);
  assert.ok(names.includes('NodeRestriction') && !names.includes('ServiceAccount') && !names.includes('AlwaysDeny'));
  assert.ok(names.indexOf('NamespaceLifecycle') < names.indexOf('NodeRestriction'));
  const calls: string[] = [];
  const plugin = (name: string) => ({
    name,
    handles: (operation: string) => operation === 'CREATE',
    admit: () => void calls.push(`admit ${name}`),
    validate: async () => void calls.push(`validate ${name}`),
  });
  const chain = createAdmissionChain([plugin('a'), plugin('b')]);
  await chain.admit(attributesFor('pods', 'CREATE', pod()));
  await chain.validate(attributesFor('pods', 'CREATE', pod()));
  await chain.admit(attributesFor('pods', 'DELETE', undefined));
  assert.deepEqual(calls, ['admit a', 'admit b', 'validate a', 'validate b']);
});

test('admission: namespaces: missing, terminating, immortal, and one that memory does not know yet', async () => {
  const terminating = named('Namespace', 'ns', { status: { phase: 'Terminating' } });
  const plugin = (cached?: KubeObject, live?: KubeObject) =>
    namespaceLifecycle(
      () => cached,
      async () => live,
    );
  const create = () => attributesFor('configmaps', 'CREATE', named('ConfigMap', 'a'));
  await assert.rejects(async () => plugin().admit!(create()), /namespaces "ns" not found/);
  await plugin(undefined, named('Namespace', 'ns')).admit!(create());
  await assert.rejects(
    async () => plugin(terminating).admit!(create()),
    /configmaps "a" is forbidden: unable to create new content in namespace ns because it is being terminated/,
  );
  await plugin(terminating).admit!(attributesFor('configmaps', 'UPDATE', named('ConfigMap', 'a')));
  const remove = attributesFor('namespaces', 'DELETE', undefined, { name: 'default' });
  await assert.rejects(
    async () => plugin().admit!(remove),
    /namespaces "default" is forbidden: this namespace may not be deleted/,
  );
});

test('admission: service accounts: a token in every container, the account must exist', async () => {
  const plugin = serviceAccount(
    (_namespace, name) => (name === 'default' ? named('ServiceAccount', name) : undefined),
    () => 0,
  );
  const object = pod();
  await plugin.admit!(attributesFor('pods', 'CREATE', object));
  const { spec } = object as any;
  assert.equal(spec.serviceAccountName, 'default');
  assert.equal(spec.volumes[0].name, 'kube-api-access-bbbbb');
  assert.deepEqual(spec.containers[0].volumeMounts, [
    { name: 'kube-api-access-bbbbb', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
  ]);
  const without = pod({ automountServiceAccountToken: false });
  await plugin.admit!(attributesFor('pods', 'CREATE', without));
  assert.equal((without as any).spec.volumes, undefined);
  const missing = attributesFor('pods', 'CREATE', pod({ serviceAccountName: 'x' }));
  await assert.rejects(
    async () => plugin.admit!(missing),
    /error looking up service account ns\/x: serviceaccount "x" not found/,
  );
});

test('admission: priority: the class decides, a number of one’s own does not', () => {
  const classes = [named('PriorityClass', 'high', { value: 7, preemptionPolicy: 'Never' })];
  const plugin = priority({ get: (name) => classes.find((c) => c.metadata.name === name), list: () => classes });
  const object = pod({ priorityClassName: 'high' });
  plugin.admit!(attributesFor('pods', 'CREATE', object));
  assert.deepEqual([object['spec'].priority, object['spec'].preemptionPolicy], [7, 'Never']);
  const plain = pod();
  plugin.admit!(attributesFor('pods', 'CREATE', plain));
  assert.equal(plain['spec'].priority, 0);
  assert.throws(
    () => plugin.admit!(attributesFor('pods', 'CREATE', pod({ priority: 9 }))),
    /computed 0 from the given PriorityClass/,
  );
  assert.throws(
    () => plugin.admit!(attributesFor('pods', 'CREATE', pod({ priorityClassName: 'x' }))),
    /no PriorityClass with name x was found/,
  );
});

test('admission: defaults: tolerations, finalizers, taints, classes', () => {
  const tolerant = pod({ tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists' }] });
  defaultTolerationSeconds(300, 60).admit!(attributesFor('pods', 'CREATE', tolerant));
  assert.deepEqual(
    tolerant['spec'].tolerations.map((t: any) => [t.key, t.tolerationSeconds]),
    [
      ['node.kubernetes.io/not-ready', undefined],
      ['node.kubernetes.io/unreachable', 60],
    ],
  );
  const claim = named('PersistentVolumeClaim', 'c', { spec: {} });
  storageObjectInUseProtection.admit!(attributesFor('persistentvolumeclaims', 'CREATE', claim));
  assert.deepEqual(claim.metadata.finalizers, ['kubernetes.io/pvc-protection']);
  const marked = named('StorageClass', 'fast');
  marked.metadata.annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  defaultStorageClass(() => [named('StorageClass', 'slow'), marked]).admit!(
    attributesFor('persistentvolumeclaims', 'CREATE', claim),
  );
  assert.equal(claim['spec'].storageClassName, 'fast');
  const node = named('Node', 'n');
  taintNodesByCondition.admit!(attributesFor('nodes', 'CREATE', node));
  assert.deepEqual(node['spec'].taints, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
});

test('admission: nodes: change themselves and no other', () => {
  const user = { name: 'system:node:n', groups: ['system:nodes'] };
  const update = (name: string, labels = {}) =>
    attributesFor(
      'nodes',
      'UPDATE',
      { ...named('Node', name), metadata: { name, labels } },
      { user, oldObject: named('Node', name) },
    );
  nodeRestriction.admit!(update('n'));
  assert.throws(() => nodeRestriction.admit!(update('other')), /node "n" is not allowed to modify node "other"/);
  assert.throws(
    () => nodeRestriction.admit!(update('n', { 'node-restriction.kubernetes.io/x': 'y' })),
    /modify labels/,
  );
});

const range = named('LimitRange', 'l', {
  spec: {
    limits: [
      {
        type: 'Container',
        default: { cpu: '500m' },
        defaultRequest: { cpu: '100m' },
        max: { cpu: '1' },
        min: { cpu: '50m' },
      },
      { type: 'Pod', max: { cpu: '2' } },
    ],
  },
});
const withCpu = (request: string, limit: string, count = 1) =>
  pod({
    containers: Array.from({ length: count }, (_, i) => ({
      name: `c${i}`,
      resources: { requests: { cpu: request }, limits: { cpu: limit } },
    })),
  });

test('admission: limit ranges: defaults, and every bound in upstream’s words', () => {
  const plugin = limitRanger(() => [range]);
  const object = pod();
  plugin.admit!(attributesFor('pods', 'CREATE', object));
  assert.deepEqual(object['spec'].containers[0].resources, { requests: { cpu: '100m' }, limits: { cpu: '500m' } });
  plugin.validate!(attributesFor('pods', 'CREATE', object));
  const refused = (p: KubeObject, message: RegExp) =>
    assert.throws(() => plugin.validate!(attributesFor('pods', 'CREATE', p)), message);
  refused(withCpu('20m', '20m'), /minimum cpu usage per Container is 50m, but request is 20m$/);
  refused(withCpu('1', '1', 3), /maximum cpu usage per Pod is 2, but limit is 3$/);
  refused(
    withCpu('1', '3'),
    /\[maximum cpu usage per Container is 1, but limit is 3, maximum cpu usage per Pod is 2, but limit is 3\]$/,
  );
});

test('admission: quota: charged until it is used up, never by a dry run', async () => {
  let quota = named('ResourceQuota', 'q', {
    status: { hard: { configmaps: '2', 'requests.cpu': '1' }, used: { configmaps: '1', 'requests.cpu': '0' } },
  });
  const plugin = resourceQuota({
    list: () => [quota],
    async update(_namespace, _name, change) {
      quota = change(structuredClone(quota));
    },
  });
  const create = (dryRun = false) => attributesFor('configmaps', 'CREATE', named('ConfigMap', 'a'), { dryRun });
  await plugin.validate!(create(true));
  assert.equal(quota['status'].used.configmaps, '1');
  await plugin.validate!(create());
  assert.equal(quota['status'].used.configmaps, '2');
  await assert.rejects(
    async () => plugin.validate!(create()),
    /configmaps "a" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2/,
  );
  await assert.rejects(
    async () => plugin.validate!(attributesFor('pods', 'CREATE', pod())),
    /failed quota: q: must specify requests.cpu for: c$/,
  );
});

test('admission: pod security: levels, warnings and labels', () => {
  const home = named('Namespace', 'ns');
  home.metadata.labels = {
    'pod-security.kubernetes.io/enforce': 'baseline',
    'pod-security.kubernetes.io/warn': 'restricted',
  };
  const plugin = podSecurity({ namespace: () => home, pods: () => [pod({ hostNetwork: true })] });
  assert.throws(
    () => plugin.validate!(attributesFor('pods', 'CREATE', pod({ hostPID: true }))),
    /violates PodSecurity "baseline:latest": host namespaces \(hostPID=true\)/,
  );
  const warned = attributesFor('pods', 'CREATE', pod());
  plugin.validate!(warned);
  assert.match(
    warned.warnings[0]!,
    /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
  );
  const odd = named('Namespace', 'ns');
  odd.metadata.labels = { 'pod-security.kubernetes.io/enforce': 'odd' };
  assert.throws(
    () => plugin.validate!(attributesFor('namespaces', 'UPDATE', odd)),
    /must be one of privileged, baseline, restricted/,
  );
  const tightened = attributesFor('namespaces', 'UPDATE', home, { oldObject: named('Namespace', 'ns') });
  plugin.validate!(tightened);
  assert.deepEqual(tightened.warnings.slice(1), ['p: host namespaces']);
});

test('admission: pod security: what restricted asks for is enough', () => {
  const good = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'c',
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
        },
      },
    ],
  };
  assert.deepEqual(violations(good, 'restricted'), []);
  const bad = {
    ...good,
    containers: [{ name: 'c', securityContext: { privileged: true, capabilities: { add: ['SYS_ADMIN'] } } }],
  };
  assert.deepEqual(
    violations(bad, 'baseline').map((v) => v.reason),
    ['non-default capabilities', 'privileged'],
  );
  assert.deepEqual(violations(bad, 'privileged'), []);
});
