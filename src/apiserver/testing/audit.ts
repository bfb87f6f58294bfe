/** An audit log in memory for the test server, whose events are as the log's lines would be. */
import { AuditMetrics } from '../audit/audit-metrics.ts';
import type { Auditor } from '../audit/configure.ts';
import { encodeEvent } from '../audit/event.ts';
import { compilePolicy, type Policy } from '../audit/policy.ts';

export interface RecordedAudit {
  auditor: Auditor;
  metrics: AuditMetrics;
  /** Parsed lines. */
  events: any[];
  /** What process() answers from now on. */
  isStored: boolean;
  stages(): string[];
}

export function recordAudit(policy: Policy): RecordedAudit {
  const metrics = new AuditMetrics();
  const events: any[] = [];
  const recorded: RecordedAudit = {
    metrics,
    events,
    isStored: true,
    stages: () => events.map((event) => event.stage),
    auditor: {
      evaluate: compilePolicy(policy),
      metrics,
      process(event) {
        const line = encodeEvent(event);
        if (line.includes('\n')) throw new Error(`more than one line: ${line}`);
        events.push(JSON.parse(line));
        return recorded.isStored;
      },
    },
  };
  return recorded;
}
