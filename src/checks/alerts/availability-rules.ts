/** Who is there. */
import type { AlertRule } from './alert-rule.ts';
import { absent, below, equals, instant, select, sum } from './expression.ts';
import type { RuleOptions } from './rule-options.ts';

/** By the mixin's names. */
const indispensable = [
  { job: 'apiserver', alert: 'KubeAPIDown', title: 'API server' },
  { job: 'kube-scheduler', alert: 'KubeSchedulerDown', title: 'scheduler' },
  { job: 'kube-controller-manager', alert: 'KubeControllerManagerDown', title: 'controller manager' },
] as const;

export function availabilityRules({ apiserversMin }: RuleOptions): AlertRule[] {
  const panel = { title: 'Instances that answer', unit: 'short' } as const;
  return [
    ...indispensable.map(
      ({ job, alert, title }): AlertRule => ({
        alert,
        group: 'availability',
        severity: 'critical',
        expression: absent(equals(instant(select('up', `job=${job}`)), 1)),
        forMs: 60_000,
        annotations: {
          summary: `No ${title} answers.`,
          description: `Not one ${title} could be scraped.`,
          runbook: `evenkeel status tells what runs; the logs are in kubelet/MASTER/pods of the data directory. When nothing runs, evenkeel up starts it. When it runs, look whether the certificate of the scrape is still valid.`,
        },
        panel,
      }),
    ),
    {
      alert: 'KubeAPIServerRedundancyLost',
      group: 'availability',
      severity: 'warning',
      expression: below(sum([], instant(select('up', 'job=apiserver'))), apiserversMin),
      forMs: 60_000,
      annotations: {
        summary: `Fewer API servers than the ${apiserversMin} that are to be there: the next failure may be one too many.`,
        description: `{{ printf "%.0f" $value }} of ${apiserversMin} API servers answer.`,
        runbook:
          'See which one TargetDown names. Its kubelet starts it again by itself: when it does not, read the log of that API server, and look whether its manifest and its kubelet are there.',
      },
      panel,
    },
    {
      alert: 'TargetDown',
      group: 'availability',
      severity: 'warning',
      expression: equals(instant(select('up')), 0),
      forMs: 60_000,
      annotations: {
        summary: '{{ $labels.job }} at {{ $labels.instance }} does not answer.',
        description: 'The metrics of {{ $labels.job }} at {{ $labels.instance }} could not be read.',
        runbook:
          'evenkeel status tells whether the process runs. When it runs, ask its /livez?verbose; a process that hangs is killed by its kubelet after some failed probes.',
      },
      panel,
    },
    {
      alert: 'EvenkeelLoadBalancerBackendDown',
      group: 'availability',
      severity: 'warning',
      expression: equals(instant(select('evenkeel_lb_backend_up', 'job=kube-lb')), 0),
      forMs: 60_000,
      annotations: {
        summary: 'The load balancer gives {{ $labels.backend }} no connections.',
        description: 'The API server {{ $labels.backend }} does not answer the health checks of the load balancer.',
        runbook: 'Ask /readyz?verbose of that API server what it lacks; while it is not ready the others serve.',
      },
      panel: { title: 'Load balancer: backends in use', unit: 'short' },
    },
  ];
}
