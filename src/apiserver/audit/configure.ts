/** The audit log the command line asks for: its policy read, its backends opened. */
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { AuditMetrics } from './audit-metrics.ts';
import type { AuditOptions } from './audit-options.ts';
import { type AuditBackend, createBackend } from './backend.ts';
import type { AuditEvent } from './event.ts';
import { logDestination } from './log-destination.ts';
import type { PolicyEvaluator } from './policy.ts';
import { readAuditPolicy } from './policy-file.ts';
import { webhookDestination } from './webhook-destination.ts';

/** What the filters need. */
export interface Auditor {
  evaluate: PolicyEvaluator;
  /** False: it was not stored, and the request must not go on. */
  process(event: AuditEvent): boolean | Promise<boolean>;
  metrics: AuditMetrics;
}

export interface Audit {
  /** Undefined: nothing is recorded. */
  auditor: Auditor | undefined;
  metrics: AuditMetrics;
  close(): Promise<void>;
}

/** What is wrong with a file stops the start. */
export async function configureAudit(
  options: AuditOptions,
  context: { clock: Clock; random: () => number; log: Logger },
): Promise<Audit> {
  const metrics = new AuditMetrics();
  const evaluate = options.policyFile === '' ? undefined : await readAuditPolicy(options.policyFile);
  const { clock, log } = context;
  if (!evaluate) {
    if (options.log || options.webhook) log.warn({}, 'no --audit-policy-file is given: nothing is recorded');
    return { auditor: undefined, metrics, close: async () => {} };
  }
  const backends: AuditBackend[] = [];
  if (options.webhook) {
    const { configFile, initialBackoffMs } = options.webhook;
    const destination = await webhookDestination(configFile, initialBackoffMs, context);
    backends.push(createBackend(destination, options.webhook, { metrics, clock, log }));
  }
  if (options.log) {
    const destination = logDestination(options.log, clock, log);
    backends.unshift(createBackend(destination, options.log, { metrics, clock, log }));
  }
  const process = union(backends);
  return {
    auditor: process && { evaluate, process, metrics },
    metrics,
    async close() {
      await Promise.all(backends.map((backend) => backend.close()));
    },
  };
}

/** Every backend gets every event; all must have taken it. */
function union(backends: readonly AuditBackend[]): Auditor['process'] | undefined {
  const [first, second] = backends;
  if (!first || !second) return first?.process;
  return (event) => {
    const answers = [first.process(event), second.process(event)];
    if (answers.every((answer) => typeof answer === 'boolean')) return !answers.includes(false);
    return Promise.all(answers).then((all) => !all.includes(false));
  };
}
