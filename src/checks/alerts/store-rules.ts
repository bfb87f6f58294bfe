/** The store: etcd, or our own that speaks as it. */
import type { AlertRule } from './alert-rule.ts';
import { above, below, divide, equals, instant, quantile, rate, select, sum } from './expression.ts';
import type { RuleOptions } from './rule-options.ts';

/** Below this nothing is alarming about some requests that failed: the API servers repeat them. */
const failedShare = 0.01;

export function storeRules({ windowMs, storeLatencySeconds, storeMembersMin, errorRatio }: RuleOptions): AlertRule[] {
  // A list takes as long as it is large.
  const buckets = select('etcd_request_duration_seconds_bucket', 'job=apiserver', 'operation!=list');
  const failed = sum(['instance'], rate(select('etcd_request_errors_total', 'job=apiserver'), windowMs));
  const all = sum(['instance'], rate(select('etcd_requests_total', 'job=apiserver'), windowMs));
  return [
    {
      alert: 'KubeStoreLatencyHigh',
      group: 'store',
      severity: 'warning',
      expression: above(quantile(0.99, sum(['instance', 'le'], rate(buckets, windowMs))), storeLatencySeconds),
      forMs: 5 * 60_000,
      annotations: {
        summary: `The store answers slowly: P99 above ${storeLatencySeconds} s.`,
        description:
          'One in a hundred requests of {{ $labels.instance }} to the store takes {{ printf "%.2f" $value }} s or longer, lists aside.',
        runbook:
          'Every write waits for the disk: see how long it takes to sync, and what else writes to it. Give the store a disk of its own. Across hosts, look at the network between the members.',
      },
      panel: { title: 'Store: P99 latency', unit: 's' },
    },
    {
      alert: 'KubeStoreErrorsHigh',
      group: 'store',
      severity: 'critical',
      expression: above(divide(failed, all), Math.max(failedShare, errorRatio)),
      forMs: 5 * 60_000,
      annotations: {
        summary: 'Requests to the store fail.',
        description: '{{ $value | humanizePercentage }} of the requests of {{ $labels.instance }} to the store fail.',
        runbook:
          'evenkeel status tells how the members are. Read the log of the store: a full disk or quota stops writes; without a majority of members nothing is written.',
      },
      panel: { title: 'Store: share of failed requests', unit: 'percentunit' },
    },
    {
      alert: 'etcdInsufficientMembers',
      group: 'store',
      severity: 'critical',
      expression: below(sum([], instant(select('up', 'job=etcd'))), storeMembersMin),
      forMs: 60_000,
      annotations: {
        summary: 'The store has too few members to take writes.',
        description: `{{ printf "%.0f" $value }} members answer, ${storeMembersMin} are needed.`,
        runbook:
          'Start the missing members again; evenkeel up does so by itself. When their data is lost, restore a snapshot: evenkeel store snapshot restore.',
      },
      panel: { title: 'Store: members', unit: 'short' },
    },
    {
      alert: 'etcdNoLeader',
      group: 'store',
      severity: 'critical',
      expression: equals(instant(select('etcd_server_has_leader', 'job=etcd')), 0),
      forMs: 60_000,
      annotations: {
        summary: 'A member of the store knows no leader.',
        description: '{{ $labels.instance }} has no leader: it serves nothing.',
        runbook:
          'Look whether this member reaches the others (port of the peers), and whether a majority of them runs.',
      },
      panel: { title: 'Store: members', unit: 'short' },
    },
  ];
}
