import assert from 'node:assert/strict';
import { test } from 'node:test';
import { created, errorsOf, objectOf, rowOf, strategyOf, updateErrorsOf } from '../../testing/fixtures.ts';
import { qosClassOf } from './qos-class.ts';

const container = { name: 'c', image: 'img:1' };

function pod(spec: Record<string, unknown> = {}, status: Record<string, unknown> = {}, metadata = {}) {
  return objectOf('v1', 'Pod', { metadata, spec: { containers: [container], ...spec }, status });
}

const running = { running: { startedAt: '2026-01-01T00:00:00Z' } };
const statusOf = (name: string, state: object, more: object = {}) => ({
  name,
  ready: false,
  restartCount: 0,
  state,
  ...more,
});

/** READY, STATUS and RESTARTS. */
const rows: [circumstance: string, object: ReturnType<typeof pod>, cells: string[]][] = [
  ['new', pod({}, { phase: 'Pending' }), ['0/1', 'Pending', '0']],
  [
    'running',
    pod({}, { phase: 'Running', containerStatuses: [statusOf('c', running, { ready: true })] }),
    ['1/1', 'Running', '0'],
  ],
  [
    'crash loop of one of two containers',
    pod(
      { containers: [container, { ...container, name: 'd' }] },
      {
        phase: 'Running',
        containerStatuses: [
          statusOf('c', running, { ready: true, restartCount: 2 }),
          statusOf('d', { waiting: { reason: 'CrashLoopBackOff' } }),
        ],
      },
    ),
    ['1/2', 'CrashLoopBackOff', '2'],
  ],
  [
    'completed',
    pod(
      {},
      { phase: 'Succeeded', containerStatuses: [statusOf('c', { terminated: { exitCode: 0, reason: 'Completed' } })] },
    ),
    ['0/1', 'Completed', '0'],
  ],
  ['evicted', pod({}, { phase: 'Failed', reason: 'Evicted' }), ['0/1', 'Evicted', '0']],
  [
    'second of two init containers',
    pod(
      {
        initContainers: [
          { ...container, name: 'i' },
          { ...container, name: 'j' },
        ],
      },
      {
        phase: 'Pending',
        initContainerStatuses: [
          statusOf('i', { terminated: { exitCode: 0 } }),
          statusOf('j', { waiting: { reason: 'PodInitializing' } }),
        ],
      },
    ),
    ['0/1', 'Init:1/2', '0'],
  ],
  [
    'init container that failed',
    pod(
      { initContainers: [{ ...container, name: 'i' }] },
      {
        phase: 'Pending',
        initContainerStatuses: [statusOf('i', { terminated: { exitCode: 3 } }, { restartCount: 4 })],
      },
    ),
    ['0/1', 'Init:ExitCode:3', '4'],
  ],
  [
    'sidecar counts as a container',
    pod(
      { initContainers: [{ ...container, name: 's', restartPolicy: 'Always' }] },
      {
        phase: 'Running',
        initContainerStatuses: [statusOf('s', running, { ready: true, started: true })],
        containerStatuses: [statusOf('c', running, { ready: true })],
      },
    ),
    ['2/2', 'Running', '0'],
  ],
  [
    'killed by a signal',
    pod(
      {},
      {
        phase: 'Running',
        containerStatuses: [statusOf('c', { terminated: { exitCode: 137, signal: 9 } }, { restartCount: 1 })],
      },
    ),
    ['0/1', 'Signal:9', '1'],
  ],
  [
    'restarted five minutes ago',
    pod(
      {},
      {
        phase: 'Running',
        containerStatuses: [
          statusOf('c', running, {
            ready: true,
            restartCount: 3,
            lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:55:00Z' } },
          }),
        ],
      },
    ),
    ['1/1', 'Running', '3 (5m ago)'],
  ],
  [
    'being deleted',
    pod({}, { phase: 'Running' }, { deletionTimestamp: '2026-01-01T00:59:00Z' }),
    ['0/1', 'Terminating', '0'],
  ],
  [
    'being deleted from a lost node',
    pod({}, { phase: 'Running', reason: 'NodeLost' }, { deletionTimestamp: '2026-01-01T00:59:00Z' }),
    ['0/1', 'Unknown', '0'],
  ],
];
for (const [circumstance, object, cells] of rows)
  test(`pod: table: ${circumstance}`, () => assert.deepEqual(rowOf(object).slice(1, 4), cells));

test('pod: table: gated, with readiness gates, an address and a node', () => {
  const gated = created(pod({ schedulingGates: [{ name: 'example.com/g' }] }));
  assert.equal(rowOf(gated)[2], 'SchedulingGated');
  const gates = pod(
    { nodeName: 'n1', readinessGates: [{ conditionType: 'a.b/r' }, { conditionType: 'a.b/s' }] },
    { phase: 'Running', podIPs: [{ ip: '1.2.3.4' }], conditions: [{ type: 'a.b/r', status: 'True' }] },
  );
  assert.deepEqual(rowOf(gates).slice(5), ['1.2.3.4', 'n1', '<none>', '1/2']);
});

test('pod: table: conditions tell which rows are over', () => {
  const conditions = (phase: string) => strategyOf(pod()).tableRowConditions!(pod({}, { phase })).map((c) => c.reason);
  assert.deepEqual(['Running', 'Succeeded', 'Failed'].map(conditions), [[], ['Succeeded'], ['Failed']]);
});

const invalid: [circumstance: string, spec: Record<string, unknown>, errors: string[]][] = [
  ['no containers', { containers: [] }, ['spec.containers: Required value']],
  [
    'container without name and image',
    { containers: [{}] },
    ['spec.containers[0].name: Required value', 'spec.containers[0].image: Required value'],
  ],
  [
    'host port taken twice',
    { containers: [{ ...container, ports: [80, 81].map((containerPort) => ({ containerPort, hostPort: 80 })) }] },
    ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'],
  ],
  [
    'request over limit',
    { containers: [{ ...container, resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } }] },
    ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m'],
  ],
  [
    'mount of an unknown volume',
    { containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/a' }] }] },
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    'two sources in a volume',
    { volumes: [{ name: 'a', emptyDir: {}, hostPath: { path: '/x' } }] },
    ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'probe without a handler',
    { containers: [{ ...container, livenessProbe: {} }] },
    ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
  ],
  [
    'unknown policies',
    { restartPolicy: 'Sometimes', dnsPolicy: 'Odd' },
    [
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
      'spec.dnsPolicy: Unsupported value: "Odd": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
    ],
  ],
  [
    'toleration of everything that is no Exists',
    { tolerations: [{ operator: 'Equal', value: 'x' }] },
    [
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
  ],
];
for (const [circumstance, spec, errors] of invalid)
  test(`pod: validation: ${circumstance}`, () => assert.deepEqual(errorsOf(pod(spec)), errors));

test('pod: validation: parts that are not what they should be do not throw', () => {
  const odd = { containers: 'x', volumes: [null, 3], tolerations: {}, affinity: { nodeAffinity: 'y' } };
  assert.doesNotThrow(() => strategyOf(pod()).validate!({ ...pod(), spec: odd }));
});

test('pod: update: images and labels may change, commands may not', () => {
  const old = pod();
  assert.deepEqual(updateErrorsOf(pod({ containers: [{ ...container, image: 'img:2' }] }), old), []);
  const [error = ''] = updateErrorsOf(pod({ containers: [{ ...container, command: ['x'] }] }), old);
  assert.match(error, /^spec: Forbidden: pod updates may not change fields other than /);
  assert.match(error, /\n@@ -1,1 \+1,1 @@\n- containers: /);
});

test('pod: update: containers may not be added, a deadline only shrinks', () => {
  assert.deepEqual(updateErrorsOf(pod({ containers: [container, { ...container, name: 'd' }] }), pod()), [
    'spec.containers: Forbidden: pod updates may not add or remove containers',
  ]);
  const deadline = (activeDeadlineSeconds: number) => pod({ activeDeadlineSeconds });
  assert.deepEqual(updateErrorsOf(deadline(60), deadline(50)), [
    'spec.activeDeadlineSeconds: Invalid value: 60: must be less than or equal to previous value',
  ]);
  assert.deepEqual(updateErrorsOf(deadline(40), deadline(50)), []);
});

test('pod: deletion: grace only for a pod that some kubelet still runs', () => {
  const grace = (object: ReturnType<typeof pod>, requested?: number) =>
    strategyOf(object).gracePeriodSeconds!(object, requested);
  assert.equal(grace(pod()), 0);
  assert.equal(grace(pod({ nodeName: 'n' })), 30);
  assert.equal(grace(pod({ nodeName: 'n' }), 5), 5);
  assert.equal(grace(pod({ nodeName: 'n' }), -5), 1);
  assert.equal(grace(pod({ nodeName: 'n' }, { phase: 'Failed' })), 0);
});

test('pod: qos class: by requests and limits of all containers', () => {
  const both = { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1000m', memory: '1024Mi' } };
  assert.equal(qosClassOf({ containers: [{ resources: both }] }), 'Guaranteed');
  assert.equal(qosClassOf({ containers: [{ resources: both }, { resources: {} }] }), 'Burstable');
  assert.equal(qosClassOf({ containers: [{}] }), 'BestEffort');
});

test('pod: warnings: sources that no longer work', () => {
  const object = pod({ volumes: [{ name: 'r', rbd: { monitors: ['m'], image: 'i' } }] });
  assert.deepEqual(strategyOf(object).warnings!(object), [
    'spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+',
  ]);
});

test('pod: ephemeral containers: can be added, not taken away or changed, and have no ports', () => {
  const withDebuggers = (...ephemeralContainers: object[]) => pod({ ephemeralContainers });
  const errors = (object: ReturnType<typeof pod>, old: ReturnType<typeof pod>) =>
    strategyOf(object).validateSubresource!['ephemeralcontainers']!(object, old).map((e) => `${e.field}: ${e.message}`);
  const e = { name: 'e', image: 'busybox' };
  assert.deepEqual(errors(withDebuggers(e), pod()), []);
  assert.deepEqual(errors(pod(), withDebuggers(e)), [
    'spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be removed\n',
  ]);
  assert.deepEqual(errors(withDebuggers({ ...e, image: 'other' }), withDebuggers(e)), [
    'spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be changed\n',
  ]);
  assert.deepEqual(errors(withDebuggers({ ...e, ports: [{ containerPort: 1 }] }), pod()), [
    'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
  ]);
});

test('pod: resize: the class of service stays', () => {
  const asking = (cpu: string) => pod({ containers: [{ ...container, resources: { requests: { cpu } } }] });
  const errors = (object: ReturnType<typeof pod>, old: ReturnType<typeof pod>) =>
    strategyOf(object).validateSubresource!['resize']!(object, created(old)).map((e) => e.message);
  assert.deepEqual(errors(asking('2'), asking('1')), []);
  assert.deepEqual(errors(asking('1'), pod()), [
    'Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing',
  ]);
});
