/**
 * Burn rates of two objectives over 30 days: requests are answered without 5xx, and those that concern one object are
 * answered within a second (upstream's objective for them; lists may take longer). A rate of 1 uses up exactly the
 * budget of errors by the end. Each alert asks two windows: the long one, so that it matters; the short one, so that the
 * alert ends soon after the cause.
 */
import type { AlertRule, Panel } from './alert-rule.ts';
import { above, and, divide, durationText, type Expression, minus, number, rate, select, sum } from './expression.ts';
import { ofResources } from './request-rules.ts';
import type { RuleOptions } from './rule-options.ts';

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 86_400_000];

/** Two per cent of the budget in an hour, five in six hours, ten in a day, ten in three days. */
const burnRates = [
  { factor: 14.4, longMs: hourMs, shortMs: 5 * minuteMs, forMs: 2 * minuteMs, severity: 'critical' },
  { factor: 6, longMs: 6 * hourMs, shortMs: 30 * minuteMs, forMs: 15 * minuteMs, severity: 'critical' },
  { factor: 3, longMs: dayMs, shortMs: 2 * hourMs, forMs: hourMs, severity: 'warning' },
  { factor: 1, longMs: 3 * dayMs, shortMs: 6 * hourMs, forMs: 3 * hourMs, severity: 'warning' },
] as const;

interface Objective {
  alert: string;
  /** The share of requests that miss it. */
  missed(windowMs: number): Expression;
  what: string;
  runbook: string;
  panel: Panel;
}

export function burnRateRules({ objective }: RuleOptions): AlertRule[] {
  const budget = 1 - objective;
  return objectives.flatMap(({ alert, missed, what, runbook, panel }) =>
    burnRates.map(({ factor, longMs, shortMs, forMs, severity }): AlertRule => {
      const bound = Number((factor * budget).toPrecision(6));
      return {
        alert,
        group: 'slo',
        severity,
        expression: and(above(missed(longMs), bound), above(missed(shortMs), bound)),
        forMs,
        labels: { long: durationText(longMs), short: durationText(shortMs) },
        annotations: {
          summary: `The API servers use up their budget of ${what} too fast.`,
          description: `{{ $value | humanizePercentage }} of the requests of ${durationText(longMs)} are ${what}: ${factor} times what the objective of ${Number((objective * 100).toPrecision(6))} % allows, or more.`,
          runbook,
        },
        panel,
      };
    }),
  );
}

const objectives: Objective[] = [
  {
    alert: 'KubeAPIErrorBudgetBurn',
    missed(windowMs) {
      const all = select('apiserver_request_total', 'job=apiserver', ofResources);
      const failed = select('apiserver_request_total', 'job=apiserver', ofResources, 'code=~5..');
      return divide(sum([], rate(failed, windowMs)), sum([], rate(all, windowMs)));
    },
    what: 'failed requests',
    runbook:
      'See which code, verb and resource it is (apiserver_request_total), and /readyz?verbose of each API server. When one instance causes it, take that one out: the others carry on.',
    panel: { title: 'Objective: failed requests', unit: 'percentunit' },
  },
  {
    alert: 'KubeAPILatencyBudgetBurn',
    missed(windowMs) {
      const ofOneObject = ['job=apiserver', ofResources, 'verb=~GET|POST|PUT|PATCH|DELETE'];
      const withoutStreams = [...ofOneObject, 'subresource!~log|exec|attach|portforward|proxy'];
      const fast = select('apiserver_request_duration_seconds_bucket', ...withoutStreams, 'le=1');
      const all = select('apiserver_request_duration_seconds_count', ...withoutStreams);
      return minus(number(1), divide(sum([], rate(fast, windowMs)), sum([], rate(all, windowMs))));
    },
    what: 'slow requests',
    runbook:
      'Look at etcd_request_duration_seconds and the disk of the store, then at the CPU of the API servers and at apiserver_current_inflight_requests: a flood of one client is slowed down with flow schemas.',
    panel: { title: 'Objective: slow requests', unit: 'percentunit' },
  },
];
