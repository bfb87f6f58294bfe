/**
 * Our evaluator against Prometheus' over random samples: counters that begin anew, scrapes that fail, series that come
 * and go, values about where the rules draw their lines. EVENKEEL_TEST_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/testing/seeded-random.ts';
import type { AlertRule } from '#checks/alerts/alert-rule.ts';
import { above, instant, over, type RangeFunction, select } from '#checks/alerts/expression.ts';
import { ruleDefaults } from '#checks/alerts/rule-options.ts';
import { alertRules } from '#checks/alerts/rules.ts';
import { disagreement, firing, type RuleCase, type SeriesValues, withoutPrometheus } from './promtool.ts';

const casesCount = 24;
const evaluationMs = 60_000;
const atMs = 14 * 60_000;
const seed = Number(process.env['EVENKEEL_TEST_SEED'] ?? Date.now() % 1_000_000);

/** The rules as they are, and in this file alone the bare functions, whose every value is compared. */
const rules: AlertRule[] = [
  ...alertRules({ ...ruleDefaults, windowMs: 4 * 60_000, forMaxMs: 2 * 60_000, storeMembersMin: 2 }),
  ...(['rate', 'increase', 'delta'] as RangeFunction[]).map((name) =>
    bare(`Bare_${name}`, over(name, select('walk'), 3 * 60_000)),
  ),
  bare('Bare_instant', instant(select('walk', 'a!=c', 'a=~.+'))),
];

function bare(alert: string, expression: Parameters<typeof above>[0]): AlertRule {
  const text = '{{ $labels.a }} {{ printf "%.6f" $value }} {{ $value | humanizePercentage }}';
  return {
    alert,
    group: 'apiserver',
    severity: 'warning',
    expression: above(expression, 0.001),
    forMs: 0,
    annotations: { summary: text, description: '', runbook: '' },
    panel: { title: '', unit: 'short' },
  };
}

test(`alert evaluator: agrees with Prometheus: random samples, seed ${seed}`, { skip: withoutPrometheus }, () => {
  const random = seededRandom(seed);
  const cases = Array.from({ length: casesCount }, (_, i) => {
    const ruleCase = randomCase(`case ${i}`, random);
    return { ...ruleCase, found: firing(rules, ruleCase, evaluationMs) };
  });
  const fired = new Set(cases.flatMap((c) => c.found.map((f) => f.alert)));
  assert.ok(fired.size > 20, `too little happens in these samples: ${[...fired].join(', ')}`);
  const wrong = disagreement(rules, cases, evaluationMs);
  if (wrong !== undefined) assert.fail(wrong);
});

function randomCase(name: string, random: () => number): RuleCase {
  const pick = <T>(all: readonly T[]) => all[Math.floor(random() * all.length)]!;
  const intervalMs = pick([15_000, 30_000, 47_000, 60_000]);
  const count = Math.floor(atMs / intervalMs) + 1;
  const series: SeriesValues = {};
  const add = (text: string, next: (before: number, i: number) => number, first = 0) => {
    if (random() < 0.1) return;
    let value = first;
    const begin = random() < 0.2 ? Math.floor(random() * count) : 0;
    const failing = pick([0, 0, 0.1]);
    series[text] = Array.from({ length: count }, (_, i) => {
      if (i < begin || random() < failing) return undefined;
      if (random() < failing / 4) return 'stale';
      value = next(value, i);
      return value;
    });
  };
  const counter = (step: number) => (before: number) =>
    random() < 0.02 ? Math.floor(random() * step) : before + Math.floor(random() * step);
  /** Each bucket holds what the one below holds, and more. */
  const histogram = (metric: string, labels: string, bounds: string[], step: number) => {
    let below: number[] = Array<number>(count).fill(0);
    const share = random();
    for (const le of bounds) {
      let total = 0;
      const own = Array.from({ length: count }, () => (total += Math.floor(random() * step * share)));
      below = below.map((b, i) => b + own[i]!);
      const values = below;
      add(`${metric}_bucket{${labels},le="${le}"}`, (_, i) => values[i]!);
    }
  };
  for (const instance of ['master1', 'master2']) {
    const at = `job="apiserver",instance="${instance}"`;
    for (const code of ['200', '404', '500', '503']) {
      add(
        `apiserver_request_total{${at},resource="pods",code="${code}"}`,
        counter(code < '500' ? 300 : pick([1, 2, 9])),
      );
    }
    histogram(
      'apiserver_request_duration_seconds',
      `${at},resource="pods",verb="GET"`,
      ['0.5', '1', '2', '+Inf'],
      pick([2, 50]),
    );
    add(`apiserver_request_duration_seconds_count{${at},resource="pods",verb="GET"}`, counter(100));
    histogram('etcd_request_duration_seconds', `${at},operation="get"`, ['0.1', '0.4', '0.6', '+Inf'], 40);
    add(`etcd_requests_total{${at},operation="get"}`, counter(100));
    add(`etcd_request_errors_total{${at},operation="get"}`, counter(pick([1, 3])));
    histogram('apiserver_client_certificate_expiration_seconds', at, ['0', '86400', '604800', '+Inf'], pick([3, 30]));
    const queue = `job="kube-scheduler",instance="${instance}",queue`;
    add(`scheduler_pending_pods{${queue}="active"}`, (v) => Math.max(0, v + Math.floor(random() * 5) - 1));
    add(`scheduler_pending_pods{${queue}="gated"}`, (v) => v + 1);
    add(`scheduler_scheduling_attempts{job="kube-scheduler",instance="${instance}"}`, () => Math.floor(random() * 8));
    for (const job of ['kube-scheduler', 'kube-controller-manager']) {
      const isLeader = pick([0, 0.1, 0.5]);
      add(`leader_election_master_status{job="${job}",instance="${instance}",name="${job}"}`, () =>
        Number(random() < isLeader),
      );
    }
    for (const job of ['apiserver', 'kube-scheduler', 'kube-controller-manager', 'etcd']) {
      const isUp = pick([0, 0.5, 1, 1]);
      add(`up{job="${job}",instance="${instance}"}`, () => Number(random() < isUp));
    }
    add(`etcd_server_has_leader{job="etcd",instance="${instance}"}`, () => Number(random() < 0.5));
    add(`evenkeel_lb_backend_up{job="kube-lb",instance="kube-lb",backend="${instance}"}`, () => Number(random() < 0.5));
    add(`evenkeel_serving_certificate_expiration_timestamp_seconds{${at}}`, () => pick([1e4, 1e5, 1e7]));
    const late = pick([0, 1, 3]);
    add(`evenkeel_time_seconds{job="kubelet",instance="${instance}"}`, (_, i) => (i * intervalMs) / 1000 + late);
  }
  for (const a of ['', 'b', 'c', 'd'])
    add(`walk{a="${a}"}`, (v) => (random() < 0.1 ? random() * 9 : v + random() * 4 - 0.5), random() * 50);
  return { name, series, intervalMs, atMs };
}
