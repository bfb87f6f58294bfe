/** Of the schedulers, and of the controller managers, exactly one works. */
import type { AlertRule } from './alert-rule.ts';
import { above, below, instant, select, sum } from './expression.ts';

const components = [
  { job: 'kube-scheduler', alert: 'KubeScheduler', title: 'scheduler', idle: 'No pod is scheduled.' },
  {
    job: 'kube-controller-manager',
    alert: 'KubeControllerManager',
    title: 'controller manager',
    idle: 'Nothing is scaled, replaced or cleaned up.',
  },
] as const;

export function leaderRules(): AlertRule[] {
  return components.flatMap(({ job, alert, title, idle }): AlertRule[] => {
    const leaders = sum([], instant(select('leader_election_master_status', `job=${job}`, `name=${job}`)));
    const panel = { title: 'Leaders', unit: 'short' } as const;
    return [
      {
        alert: `${alert}LeaderMissing`,
        group: 'leaders',
        severity: 'critical',
        expression: below(leaders, 1),
        forMs: 60_000,
        annotations: {
          summary: `No ${title} leads.`,
          description: `${idle} The ${title}s run, but none of them holds the Lease.`,
          runbook: `kubectl get lease -n kube-system ${job} -o yaml: when renewTime stands still, see the log of a ${title} why it cannot take it over; most often it cannot reach an API server, or the store takes no writes.`,
        },
        panel,
      },
      {
        alert: `${alert}LeadersMany`,
        group: 'leaders',
        severity: 'critical',
        expression: above(leaders, 1),
        forMs: 60_000,
        annotations: {
          summary: `More than one ${title} leads.`,
          description: `{{ printf "%.0f" $value }} ${title}s believe that they lead, and work against each other.`,
          runbook: `Stop all but the one that kubectl get lease -n kube-system ${job} names. Look for frozen processes and for clocks that jump on the other hosts.`,
        },
        panel,
      },
    ];
  });
}
