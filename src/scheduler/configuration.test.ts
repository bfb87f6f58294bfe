import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSchedulerConfiguration } from './configuration.ts';

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';

test('scheduler: configuration: what is set is taken, what has no effect is named', async () => {
  const text = `${head}
clientConnection: {kubeconfig: /etc/k}
leaderElection: {leaderElect: true, leaseDuration: 30s, renewDeadline: 20s, retryPeriod: 3s, resourceName: mine}
podInitialBackoffSeconds: 2
parallelism: 4
profiles: [{schedulerName: mine, plugins: {}}]
`;
  assert.deepEqual(await parseSchedulerConfiguration(text, 'f'), {
    kubeconfig: '/etc/k',
    leaderElection: {
      leaderElect: true,
      leaseDurationMs: 30_000,
      renewDeadlineMs: 20_000,
      retryPeriodMs: 3_000,
      resourceName: 'mine',
    },
    podInitialBackoffMs: 2_000,
    schedulerName: 'mine',
    warnings: ['parallelism has no effect in evenkeel', 'profiles[0].plugins has no effect in evenkeel'],
  });
});

test('scheduler: configuration: refused: one line that names the file and the field', async () => {
  const refused = (text: string, message: RegExp) =>
    assert.rejects(parseSchedulerConfiguration(text, '/etc/s.yaml'), { name: 'OperatorError', message });
  await refused('kind: Pod', /must be a KubeSchedulerConfiguration/);
  await refused('a: [', /\/etc\/s.yaml: is not valid YAML/);
  await refused(`${head}nonsense: 1`, /unknown field "nonsense"/);
  await refused(`${head}leaderElection: {leaseDuration: soon}`, /leaderElection.leaseDuration: give a duration/);
  await refused(`${head}podMaxBackoffSeconds: -1`, /podMaxBackoffSeconds: give a whole number/);
  await refused(`${head}profiles: [{}, {}]`, /several profiles/);
});
