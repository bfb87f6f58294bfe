/** Whether pods find their nodes. */
import type { AlertRule } from './alert-rule.ts';
import { above, instant, max, over, select, sum } from './expression.ts';
import type { RuleOptions } from './rule-options.ts';

export function schedulingRules({ windowMs, schedulingAttempts }: RuleOptions): AlertRule[] {
  // Gated pods wait because somebody asked for it.
  const pending = select('scheduler_pending_pods', 'job=kube-scheduler', 'queue!=gated');
  return [
    {
      // One pod that stays makes the number larger than a window ago for no longer than the window: only growth that
      // goes on makes it hold for as long.
      alert: 'KubeSchedulerPendingPodsGrowing',
      group: 'scheduling',
      severity: 'warning',
      expression: above(sum(['instance'], over('delta', pending, windowMs)), 0),
      forMs: 5 * 60_000,
      annotations: {
        summary: 'More and more pods wait to be scheduled.',
        description: '{{ printf "%.0f" $value }} more pods wait at {{ $labels.instance }} than before.',
        runbook:
          'kubectl get pods -A --field-selector=status.phase=Pending; the events of one tell what no node has. Add nodes or lower the requests. When the events are silent, look whether a scheduler leads, and at its log.',
      },
      panel: { title: 'Scheduler: growth of pending pods', unit: 'short' },
    },
    {
      alert: 'KubeSchedulerPodAttemptsHigh',
      group: 'scheduling',
      severity: 'warning',
      expression: above(
        max(['instance'], instant(select('scheduler_scheduling_attempts', 'job=kube-scheduler'))),
        schedulingAttempts,
      ),
      forMs: 0,
      annotations: {
        summary: `A pod was tried more than ${schedulingAttempts} times and still has no node.`,
        description: 'The scheduler at {{ $labels.instance }} has tried one pod {{ printf "%.0f" $value }} times.',
        runbook:
          'kubectl get events -A --field-selector=reason=FailedScheduling names the pod and what each node lacks: resources, a matching label or a toleration. Change the pod, or add a node that fits.',
      },
      panel: { title: 'Scheduler: most attempts for a waiting pod', unit: 'short' },
    },
  ];
}
