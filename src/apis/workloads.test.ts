import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronScheduleError } from './batch/v1/cron-schedule.ts';
import { created, errorsOf, objectOf, rowOf, strategyOf, updateErrorsOf } from './testing/fixtures.ts';

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'img:1' }] } };
const selector = { matchLabels: { app: 'a' } };

function deployment(spec: object = {}, status: object = {}) {
  return objectOf('apps/v1', 'Deployment', { spec: { selector, template, ...spec }, status });
}

function job(spec: object = {}, status: object = {}) {
  const never = { spec: { ...template.spec, restartPolicy: 'Never' } };
  return created(objectOf('batch/v1', 'Job', { spec: { template: never, ...spec }, status }));
}

test('deployment: validation: an empty one', () => {
  assert.deepEqual(errorsOf(objectOf('apps/v1', 'Deployment')), [
    'spec.selector: Required value',
    'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
    'spec.template.spec.containers: Required value',
  ]);
});

test('deployment: validation: a rolling update must be able to move', () => {
  assert.deepEqual(errorsOf(deployment({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } })), [
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
  ]);
});

test('deployment: update: the selector is immutable', () => {
  const other = deployment({
    selector: { matchLabels: { app: 'a', b: 'c' } },
    template: { ...template, metadata: { labels: { app: 'a', b: 'c' } } },
  });
  assert.deepEqual(updateErrorsOf(other, deployment()), [
    'spec.selector: Invalid value: {"matchLabels":{"app":"a","b":"c"}}: field is immutable',
  ]);
});

test('deployment: table: ready of wanted', () => {
  const status = { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 };
  assert.deepEqual(rowOf(created(deployment({ replicas: 3 }, status))), [
    'x',
    '1/3',
    2,
    1,
    '60m',
    'c',
    'img:1',
    'app=a',
  ]);
});

test('stateful set: update: only some of the spec may change', () => {
  const set = (spec: object) => objectOf('apps/v1', 'StatefulSet', { spec: { selector, template, ...spec } });
  assert.deepEqual(updateErrorsOf(set({ replicas: 5, minReadySeconds: 3 }), set({})), []);
  assert.match(
    updateErrorsOf(set({ serviceName: 't' }), set({}))[0]!,
    /^spec: Forbidden: updates to statefulset spec for fields/,
  );
});

test('daemon set: template generation: counts changes of the template', () => {
  const set = (image: string) =>
    objectOf('apps/v1', 'DaemonSet', {
      spec: { selector, template: { ...template, spec: { containers: [{ name: 'c', image }] } } },
    });
  const old = created(set('img:1'));
  const generation = (image: string) => {
    const object = set(image);
    strategyOf(object).prepareForUpdate!(object, old);
    return object.metadata.annotations!['deprecated.daemonset.template.generation'];
  };
  assert.deepEqual([generation('img:1'), generation('img:2')], ['1', '2']);
});

test('job: creation: selects its pods by its uid', () => {
  const { spec, metadata } = job();
  assert.deepEqual(spec.selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': 'uid-1' } });
  assert.equal(spec.template.metadata.labels['job-name'], 'x');
  assert.equal(metadata.labels!['controller-uid'], 'uid-1');
  assert.deepEqual(errorsOf(job()), []);
});

test('job: validation: pods must end', () => {
  const always = { template: { spec: { ...template.spec } } };
  assert.deepEqual(errorsOf(job(always)), [
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
  ]);
});

test('job: deletion: leaves its pods unless told otherwise', () => {
  assert.equal(strategyOf(job()).defaultPropagation, 'orphan');
  assert.equal(strategyOf(deployment()).defaultPropagation, undefined);
});

test('job: table: status, completions and duration', () => {
  const done = { succeeded: 2, startTime: '2026-01-01T00:00:00Z', completionTime: '2026-01-01T00:00:30Z' };
  const complete = { conditions: [{ type: 'Complete', status: 'True' }], ...done };
  assert.deepEqual(rowOf(job({ completions: 2 }, complete)).slice(1, 4), ['Complete', '2/2', '30s']);
  assert.deepEqual(rowOf(job({ parallelism: 3 })).slice(1, 4), ['Running', '0/1 of 3', '']);
});

test('cron job: validation: name, schedule and time zone', () => {
  const cron = objectOf('batch/v1', 'CronJob', {
    metadata: { name: 'c'.repeat(53) },
    spec: {
      schedule: '61 * * * *',
      timeZone: 'No/Where',
      jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } },
    },
  });
  assert.deepEqual(errorsOf(cron), [
    'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
    'spec.timeZone: Invalid value: "No/Where": unknown time zone No/Where',
    `metadata.name: Invalid value: "${'c'.repeat(53)}": must be no more than 52 characters`,
  ]);
});

test('cron schedule: what is one, and what is not', () => {
  for (const good of ['*/5 * * * *', '0 0 1,15 * mon-fri', '@daily', '@every 1h30m', '5/15 0-23/2 ? JAN *'])
    assert.equal(cronScheduleError(good), undefined, good);
  assert.equal(cronScheduleError('* * * *'), 'expected exactly 5 fields, found 4: [* * * *]');
  assert.equal(cronScheduleError('5-1 * * * *'), 'beginning of range (5) beyond end of range (1): 5-1');
  assert.equal(cronScheduleError('*/0 * * * *'), 'step of range should be a positive number: */0');
  assert.equal(cronScheduleError('@never'), 'unrecognized descriptor: @never');
});
