/** The flags of the audit log, with upstream's meaning, and their checks in upstream's words. */
import { type ParsedFlags, UsageError } from '#base/flags.ts';
import { type BackendMode, type BackendOptions, backendModes } from './backend.ts';
import type { LogOptions } from './log-destination.ts';

export interface AuditOptions {
  /** '' : nothing is recorded. */
  policyFile: string;
  /** Undefined: no such backend. */
  log: (LogOptions & BackendOptions) | undefined;
  webhook: ({ configFile: string; initialBackoffMs: number } & BackendOptions) | undefined;
}

/** What --help says of them. */
export const auditFlags: Record<string, string> = {
  'audit-policy-file': 'Policy (audit.k8s.io/v1) that says which requests are recorded, and how much of them',
  'audit-log-path': 'file that events are written to, a line each; -: standard output',
  'audit-log-format': 'json, or legacy: lines of text',
  'audit-log-maxage': 'days that old files are kept; 0: for ever',
  'audit-log-maxbackup': 'old files that are kept; 0: all',
  'audit-log-maxsize': 'megabytes after which a new file is begun',
  'audit-log-compress': 'compress old files with gzip',
  'audit-log-version': 'version of the events: audit.k8s.io/v1',
  'audit-webhook-config-file': 'kubeconfig of a server that events are sent to',
  'audit-webhook-initial-backoff': 'wait before an event list is sent again for the first time',
  'audit-webhook-version': 'version of the events: audit.k8s.io/v1',
  ...backendFlags('log'),
  ...backendFlags('webhook'),
};

function backendFlags(plugin: string): Record<string, string> {
  return {
    [`audit-${plugin}-mode`]:
      'batch: requests do not wait; blocking: until the event is written; blocking-strict: they fail if it cannot be',
    [`audit-${plugin}-batch-buffer-size`]: 'batch mode: events that wait at most; more are lost',
    [`audit-${plugin}-batch-max-size`]: 'batch mode: events after which a batch goes',
    [`audit-${plugin}-batch-max-wait`]: 'batch mode: time after which a smaller batch goes',
    [`audit-${plugin}-batch-throttle-enable`]: 'batch mode: limit the batches a second',
    [`audit-${plugin}-batch-throttle-qps`]: 'batches a second on average',
    [`audit-${plugin}-batch-throttle-burst`]: 'batches at one moment',
    [`audit-${plugin}-truncate-enabled`]: 'leave the objects out of events that are too large',
    [`audit-${plugin}-truncate-max-event-size`]: 'bytes of an event',
    [`audit-${plugin}-truncate-max-batch-size`]: 'bytes of a batch',
  };
}

export function parseAuditOptions(flags: ParsedFlags): AuditOptions {
  const backends = { log: backendOptions(flags, 'log'), webhook: backendOptions(flags, 'webhook') };
  const format = flags.string('audit-log-format');
  if (format !== 'json' && format !== 'legacy')
    throw new UsageError(`invalid audit log format ${format}, allowed formats are "legacy,json"`);
  const path = flags.string('audit-log-path');
  const configFile = flags.string('audit-webhook-config-file');
  return {
    policyFile: flags.string('audit-policy-file'),
    log:
      path === ''
        ? undefined
        : {
            path,
            format,
            maxAgeDays: flags.int('audit-log-maxage'),
            maxBackups: flags.int('audit-log-maxbackup'),
            maxSizeMegabytes: flags.int('audit-log-maxsize'),
            compress: flags.bool('audit-log-compress'),
            ...backends.log,
          },
    webhook:
      configFile === '' ? undefined : { configFile, initialBackoffMs: initialBackoffMs(flags), ...backends.webhook },
  };
}

function initialBackoffMs(flags: ParsedFlags): number {
  const old = 'audit-webhook-batch-initial-backoff';
  const current = 'audit-webhook-initial-backoff';
  return flags.durationMs(flags.has(old) && !flags.has(current) ? old : current);
}

function backendOptions(flags: ParsedFlags, plugin: 'log' | 'webhook'): BackendOptions {
  const flag = (name: string) => `audit-${plugin}-${name}`;
  const mode = flags.string(flag('mode'));
  if (!backendModes.includes(mode as BackendMode))
    throw new UsageError(`invalid audit ${plugin} mode ${mode}, allowed modes are "${backendModes.join(',')}"`);
  if (flags.string(flag('version')) !== 'audit.k8s.io/v1')
    throw new UsageError(`--${flag('version')}: invalid group version, allowed versions are ["audit.k8s.io/v1"]`);
  const batch = batchOptions(flags, plugin);
  if (mode === 'batch') checkBatch(plugin, batch);
  const maxEventBytes = flags.int(flag('truncate-max-event-size'));
  const maxBatchBytes = flags.int(flag('truncate-max-batch-size'));
  const isTruncating = flags.bool(flag('truncate-enabled'));
  if (isTruncating && maxEventBytes <= 0)
    throw new UsageError(`invalid audit truncate ${plugin} max event size ${maxEventBytes}, must be a positive number`);
  if (isTruncating && maxBatchBytes < maxEventBytes)
    throw new UsageError(
      `invalid audit truncate ${plugin} max batch size ${maxBatchBytes}, must be greater than max event size (${maxEventBytes})`,
    );
  return { mode: mode as BackendMode, batch, truncate: isTruncating ? { maxEventBytes, maxBatchBytes } : undefined };
}

function batchOptions(flags: ParsedFlags, plugin: string): BackendOptions['batch'] {
  const flag = (name: string) => `audit-${plugin}-batch-${name}`;
  const qps = Number(flags.string(flag('throttle-qps')));
  if (Number.isNaN(qps))
    throw new UsageError(
      `invalid value ${JSON.stringify(flags.string(flag('throttle-qps')))} for --${flag('throttle-qps')}: give a number`,
    );
  const burst = flags.int(flag('throttle-burst'));
  return {
    bufferSize: flags.int(flag('buffer-size')),
    maxBatchSize: flags.int(flag('max-size')),
    maxBatchWaitMs: flags.durationMs(flag('max-wait')),
    throttle: flags.bool(flag('throttle-enable')) ? { qps, burst } : undefined,
  };
}

function checkBatch(plugin: string, { bufferSize, maxBatchSize, throttle }: BackendOptions['batch']): void {
  const positive = (what: string, value: number): void => {
    if (!(value > 0 && Number.isFinite(value)))
      throw new UsageError(`invalid audit batch ${plugin} ${what} ${value}, must be a positive number`);
  };
  positive('buffer size', bufferSize);
  positive('max batch size', maxBatchSize);
  if (!throttle) return;
  positive('throttle QPS', throttle.qps);
  positive('throttle burst', throttle.burst);
}
