import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeMetrics } from './federated-metrics.ts';

const scheduler = (value: number) =>
  `# HELP scheduler_pending_pods Pods.\n# TYPE scheduler_pending_pods gauge\nscheduler_pending_pods{queue="active"} ${value}\n` +
  `# HELP scheduler_total All.\n# TYPE scheduler_total counter\nscheduler_total ${value}\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 3\n`;

test('federated metrics: two sources: families once, samples by instance', () => {
  const text = mergeMetrics([
    { instance: 'master1', text: scheduler(1) },
    { instance: 'master2', text: scheduler(2) },
  ]);
  assert.equal(text.match(/# TYPE scheduler_pending_pods gauge/g)?.length, 1);
  assert.match(text, /^scheduler_pending_pods\{instance="master1",queue="active"\} 1$/m);
  assert.match(text, /^scheduler_total\{instance="master2"\} 2$/m);
  assert.doesNotMatch(text, /process_cpu/);
});

test('federated metrics: a source that is away: the rest is shown, and it is said', () => {
  const text = mergeMetrics([
    { instance: 'master1', text: undefined },
    { instance: 'master2', text: scheduler(2) },
  ]);
  assert.match(text, /^evenkeel_federation_up\{instance="master1"\} 0$/m);
  assert.match(text, /^evenkeel_federation_up\{instance="master2"\} 1$/m);
  assert.match(text, /^scheduler_total\{instance="master2"\} 2$/m);
});
