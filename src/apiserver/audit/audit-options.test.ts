import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlags, UsageError } from '#base/flags.ts';
import { apiServerFlags } from '../flags.ts';
import { parseAuditOptions } from './audit-options.ts';

const parse = (...argv: string[]) => parseAuditOptions(parseFlags(apiServerFlags(), argv));

test('audit flags: none: nothing is recorded', () => {
  assert.deepEqual(parse(), { policyFile: '', log: undefined, webhook: undefined });
});

test('audit flags: defaults: upstream’s', () => {
  const { log, webhook } = parse('--audit-log-path=-', '--audit-webhook-config-file=w');
  assert.deepEqual(log, {
    path: '-',
    format: 'json',
    maxAgeDays: 366,
    maxBackups: 100,
    maxSizeMegabytes: 100,
    compress: false,
    mode: 'blocking',
    batch: { bufferSize: 10_000, maxBatchSize: 1, maxBatchWaitMs: 0, throttle: undefined },
    truncate: undefined,
  });
  assert.deepEqual(webhook, {
    configFile: 'w',
    initialBackoffMs: 10_000,
    mode: 'batch',
    batch: { bufferSize: 10_000, maxBatchSize: 400, maxBatchWaitMs: 30_000, throttle: { qps: 10, burst: 15 } },
    truncate: undefined,
  });
});

test('audit flags: truncation: asked for', () => {
  const { log } = parse(
    '--audit-log-path=-',
    '--audit-log-truncate-enabled',
    '--audit-log-truncate-max-event-size=2048',
  );
  assert.deepEqual(log?.truncate, { maxEventBytes: 2048, maxBatchBytes: 10_485_760 });
});

test('audit flags: back-off: by its old name too', () => {
  const backoffOf = (...argv: string[]) => parse('--audit-webhook-config-file=w', ...argv).webhook?.initialBackoffMs;
  assert.equal(backoffOf('--audit-webhook-batch-initial-backoff=3s'), 3000);
  assert.equal(backoffOf('--audit-webhook-batch-initial-backoff=3s', '--audit-webhook-initial-backoff=2s'), 2000);
});

for (const [argv, message] of [
  [['--audit-log-mode=x'], 'invalid audit log mode x, allowed modes are "batch,blocking,blocking-strict"'],
  [['--audit-log-format=text'], 'invalid audit log format text, allowed formats are "legacy,json"'],
  [['--audit-log-version=audit.k8s.io/v1beta1'], 'invalid group version, allowed versions are'],
  [
    ['--audit-log-mode=batch', '--audit-log-batch-buffer-size=0'],
    'invalid audit batch log buffer size 0, must be a positive number',
  ],
  [['--audit-webhook-batch-max-size=0'], 'invalid audit batch webhook max batch size 0, must be a positive number'],
  [['--audit-webhook-batch-throttle-qps=0'], 'invalid audit batch webhook throttle QPS 0, must be a positive number'],
  [
    ['--audit-webhook-batch-throttle-qps=fast'],
    'invalid value "fast" for --audit-webhook-batch-throttle-qps: give a number',
  ],
  [
    ['--audit-webhook-batch-throttle-burst=0'],
    'invalid audit batch webhook throttle burst 0, must be a positive number',
  ],
  [
    ['--audit-log-truncate-enabled', '--audit-log-truncate-max-batch-size=5'],
    'invalid audit truncate log max batch size 5, must be greater than max event size (102400)',
  ],
  [['--audit-log-maxsize=-1'], '--audit-log-maxsize'],
] as [string[], string][]) {
  test(`audit flags: refused: ${argv.join(' ')}`, () => {
    assert.throws(
      () => parse(...argv),
      (error) => error instanceof UsageError && error.message.includes(message),
    );
  });
}
