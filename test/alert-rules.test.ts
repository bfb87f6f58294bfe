/** Every alert rule: fires when it must, is silent when it must not; judged by our evaluator and by promtool alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlertRule } from '#checks/alerts/alert-rule.ts';
import { ruleDefaults } from '#checks/alerts/rule-options.ts';
import { alertRules } from '#checks/alerts/rules.ts';
import { disagreement, firing, type RuleCase, type SeriesValues, withoutPrometheus } from './promtool.ts';

const minuteMs = 60_000;
const rules = alertRules({ ...ruleDefaults, apiserversMin: 3, storeMembersMin: 2 });
const [burnRates, others] = [rules.filter((r) => r.group === 'slo'), rules.filter((r) => r.group !== 'slo')];
const minutes = 20;
/** Where the rules are evaluated last, in seconds. */
const endSeconds = minutes * 60;

const steady = (value: number, count = minutes + 1) => Array<number>(count).fill(value);
const rising = (step: number, count = minutes + 1, from = 0) =>
  Array.from({ length: count }, (_, i) => from + i * step);

const requests = (byCode: Record<string, number>, labels = 'resource="pods",verb="GET"'): SeriesValues =>
  Object.fromEntries(
    Object.entries(byCode).map(([code, step]) => [
      `apiserver_request_total{job="apiserver",instance="master1",${labels},code="${code}"}`,
      rising(step),
    ]),
  );
const buckets = (metric: string, labels: string, byBound: Record<string, number>): SeriesValues =>
  Object.fromEntries(
    Object.entries(byBound).map(([le, step]) => [
      `${metric}_bucket{job="apiserver",instance="master1",${labels}le="${le}"}`,
      rising(step),
    ]),
  );
const durations = (verb: string, byBound: Record<string, number>) =>
  buckets('apiserver_request_duration_seconds', `resource="pods",subresource="",verb="${verb}",`, byBound);
const up = (job: string, ...values: number[]): SeriesValues =>
  Object.fromEntries(values.map((value, i) => [`up{job="${job}",instance="master${i + 1}"}`, steady(value)]));
const leads = (job: string, ...values: number[]): SeriesValues =>
  Object.fromEntries(
    values.map((value, i) => [
      `leader_election_master_status{job="${job}",instance="master${i + 1}",name="${job}"}`,
      steady(value),
    ]),
  );
const gauge = (metric: string, job: string, values: number[], labels = ''): SeriesValues => ({
  [`${metric}{job="${job}",instance="master1"${labels}}`]: values,
});
const everyoneIsUp: SeriesValues = {
  ...up('apiserver', 1, 1, 1),
  ...up('kube-scheduler', 1, 1, 1),
  ...up('kube-controller-manager', 1, 1, 1),
  ...up('etcd', 1, 1, 1),
};
const clientCertificates = (byBound: Record<string, number>) =>
  buckets('apiserver_client_certificate_expiration_seconds', '', byBound);
const servingEnd = (left: number) =>
  gauge('evenkeel_serving_certificate_expiration_timestamp_seconds', 'apiserver', steady(endSeconds + left));

/** Alerts by name, and the severity where one name has two. */
const cases: { name: string; series: SeriesValues; fires: string[] }[] = [
  { name: 'all is well', series: everyoneIsUp, fires: [] },
  {
    name: 'one request in ten takes up to two seconds',
    series: durations('GET', { '1': 90, '2': 100, '+Inf': 100 }),
    fires: ['KubeAPIServerLatencyHigh'],
  },
  {
    name: 'all requests take less than a second',
    series: durations('GET', { '1': 100, '2': 100, '+Inf': 100 }),
    fires: [],
  },
  { name: 'watches last long', series: durations('WATCH', { '1': 0, '2': 1, '+Inf': 100 }), fires: [] },
  { name: 'two per cent fail', series: requests({ '200': 98, '500': 2 }), fires: ['KubeAPIServerErrorsHigh'] },
  { name: 'half a per cent fails', series: requests({ '200': 199, '503': 1 }), fires: [] },
  { name: 'clients are at fault', series: requests({ '200': 50, '404': 50 }), fires: [] },
  {
    name: 'a server says that it is not ready',
    series: { ...requests({ '200': 100 }), ...requests({ '500': 50 }, 'resource="",verb="GET"') },
    fires: [],
  },
  {
    name: 'a pod more waits each minute',
    series: gauge('scheduler_pending_pods', 'kube-scheduler', rising(1), ',queue="unschedulable"'),
    fires: ['KubeSchedulerPendingPodsGrowing'],
  },
  {
    name: 'one pod came and waits',
    series: gauge(
      'scheduler_pending_pods',
      'kube-scheduler',
      [...steady(0, 16), ...steady(1, 5)],
      ',queue="unschedulable"',
    ),
    fires: [],
  },
  {
    name: 'gated pods wait as somebody wants',
    series: gauge('scheduler_pending_pods', 'kube-scheduler', rising(1), ',queue="gated"'),
    fires: [],
  },
  {
    name: 'a sixth attempt',
    series: gauge('scheduler_scheduling_attempts', 'kube-scheduler', steady(6)),
    fires: ['KubeSchedulerPodAttemptsHigh'],
  },
  { name: 'five attempts', series: gauge('scheduler_scheduling_attempts', 'kube-scheduler', steady(5)), fires: [] },
  ...(['Scheduler', 'ControllerManager'] as const).flatMap((component) => {
    const job = component === 'Scheduler' ? 'kube-scheduler' : 'kube-controller-manager';
    return [
      { name: `${job}: nobody leads`, series: leads(job, 0, 0, 0), fires: [`Kube${component}LeaderMissing`] },
      { name: `${job}: one leads`, series: leads(job, 0, 1, 0), fires: [] },
      { name: `${job}: two lead`, series: leads(job, 0, 1, 1), fires: [`Kube${component}LeadersMany`] },
      {
        name: `${job}: none is there`,
        series: { ...everyoneIsUp, ...up(job, 0, 0, 0) },
        fires: [`Kube${component}Down`, 'TargetDown'],
      },
    ];
  }),
  {
    name: 'no API server is there',
    series: { ...everyoneIsUp, ...up('apiserver', 0, 0, 0) },
    fires: ['KubeAPIDown', 'KubeAPIServerRedundancyLost', 'TargetDown'],
  },
  {
    name: 'one API server of three is away',
    series: { ...everyoneIsUp, ...up('apiserver', 1, 0, 1) },
    fires: ['KubeAPIServerRedundancyLost', 'TargetDown'],
  },
  {
    name: 'the load balancer leaves one out',
    series: gauge('evenkeel_lb_backend_up', 'kube-lb', steady(0), ',backend="master2"'),
    fires: ['EvenkeelLoadBalancerBackendDown'],
  },
  {
    name: 'the load balancer uses all',
    series: gauge('evenkeel_lb_backend_up', 'kube-lb', steady(1), ',backend="master2"'),
    fires: [],
  },
  {
    name: 'the store takes a second',
    series: buckets('etcd_request_duration_seconds', 'operation="update",', { '0.5': 10, '1': 100, '+Inf': 100 }),
    fires: ['KubeStoreLatencyHigh'],
  },
  {
    name: 'the store is fast, its lists are not',
    series: {
      ...buckets('etcd_request_duration_seconds', 'operation="update",', { '0.5': 100, '1': 100, '+Inf': 100 }),
      ...buckets('etcd_request_duration_seconds', 'operation="list",', { '0.5': 0, '1': 0, '+Inf': 100 }),
    },
    fires: [],
  },
  {
    name: 'requests to the store fail',
    series: {
      ...gauge('etcd_requests_total', 'apiserver', rising(100), ',operation="get"'),
      ...gauge('etcd_request_errors_total', 'apiserver', rising(5), ',operation="get"'),
    },
    fires: ['KubeStoreErrorsHigh'],
  },
  {
    name: 'requests to the store do not fail',
    series: {
      ...gauge('etcd_requests_total', 'apiserver', rising(100), ',operation="get"'),
      ...gauge('etcd_request_errors_total', 'apiserver', steady(5), ',operation="get"'),
    },
    fires: [],
  },
  {
    name: 'a majority of the store is away',
    series: { ...everyoneIsUp, ...up('etcd', 0, 0, 1) },
    fires: ['etcdInsufficientMembers', 'TargetDown'],
  },
  {
    name: 'a minority of the store is away',
    series: { ...everyoneIsUp, ...up('etcd', 0, 1, 1) },
    fires: ['TargetDown'],
  },
  {
    name: 'a member knows no leader',
    series: gauge('etcd_server_has_leader', 'etcd', steady(0)),
    fires: ['etcdNoLeader'],
  },
  { name: 'a member knows a leader', series: gauge('etcd_server_has_leader', 'etcd', steady(1)), fires: [] },
  {
    name: 'a client has a day left',
    series: clientCertificates({ '86400': 0, '172800': 10, '31104000': 100, '+Inf': 100 }),
    fires: ['KubeClientCertificateExpiration warning'],
  },
  {
    name: 'a client has hours left',
    series: clientCertificates({ '21600': 10, '86400': 10, '31104000': 100, '+Inf': 100 }),
    fires: ['KubeClientCertificateExpiration critical', 'KubeClientCertificateExpiration warning'],
  },
  {
    name: 'clients have months left',
    series: clientCertificates({ '86400': 0, '2592000': 0, '31104000': 0, '+Inf': 100 }),
    fires: [],
  },
  {
    name: 'a server has two days left',
    series: servingEnd(172_800),
    fires: ['KubeServingCertificateExpiration warning'],
  },
  {
    name: 'a server has hours left',
    series: servingEnd(7_200),
    fires: ['KubeServingCertificateExpiration critical', 'KubeServingCertificateExpiration warning'],
  },
  { name: 'a server has a month left', series: servingEnd(2_592_000), fires: [] },
  {
    name: 'a clock is three seconds late',
    series: gauge('evenkeel_time_seconds', 'kubelet', rising(60, minutes + 1, -3)),
    fires: ['EvenkeelClockSkew'],
  },
  { name: 'a clock is right', series: gauge('evenkeel_time_seconds', 'kubelet', rising(60)), fires: [] },
];

/** Of these every case that is not about them would say that nobody is there. */
const saysNobodyIsThere = /^(KubeAPIDown|KubeSchedulerDown|KubeControllerManagerDown)$/;
const titleOf = ({ alert, severity }: Pick<AlertRule, 'alert' | 'severity'>, all: readonly AlertRule[]) =>
  new Set(all.filter((r) => r.alert === alert).map((r) => r.severity)).size > 1 ? `${alert} ${severity}` : alert;

test('alert rules: each fires when it must, and only then', { skip: withoutPrometheus }, () => {
  const judged = cases.map(({ name, series, fires }) => {
    const ruleCase: RuleCase = { name, series, intervalMs: minuteMs, atMs: minutes * minuteMs };
    const found = firing(others, ruleCase, minuteMs);
    const isAboutUp = Object.keys(series).some((s) => s.startsWith('up{'));
    const names = found.map((f) => titleOf(f, others)).filter((n) => isAboutUp || !saysNobodyIsThere.test(n));
    assert.deepEqual([...new Set(names)].sort(), [...fires].sort(), name);
    return { ...ruleCase, found };
  });
  assert.equal(disagreement(others, judged, minuteMs), undefined);
  const fired = new Set(cases.flatMap((c) => c.fires));
  assert.deepEqual(
    others.map((r) => titleOf(r, others)).filter((name) => !fired.has(name)),
    [],
    'rules that no case makes fire',
  );
});

test('alert rules: burn rates: each pair of windows fires for its own rate of errors', {
  skip: withoutPrometheus,
}, () => {
  const [stepMs, evaluationMs] = [2 * minuteMs, 30 * minuteMs];
  const days = 3.5;
  const count = (days * 1440) / 2 + 1;
  const failing = (share: number): SeriesValues => ({
    'apiserver_request_total{job="apiserver",instance="master1",resource="pods",code="200"}': rising(
      1000 * (1 - share),
      count,
    ),
    'apiserver_request_total{job="apiserver",instance="master1",resource="pods",code="500"}': rising(
      1000 * share,
      count,
    ),
  });
  const slow = (share: number): SeriesValues => {
    const labels = 'job="apiserver",instance="master1",resource="pods",verb="GET",subresource=""';
    return {
      [`apiserver_request_duration_seconds_bucket{${labels},le="1"}`]: rising(1000 * (1 - share), count),
      [`apiserver_request_duration_seconds_count{${labels}}`]: rising(1000, count),
    };
  };
  // The pairs with longer windows allow less: whoever fires at a rate, those after it fire too.
  const rates: [share: number, longWindows: string[]][] = [
    [0.2, ['1h', '6h', '1d', '3d']],
    [0.1, ['6h', '1d', '3d']],
    [0.04, ['1d', '3d']],
    [0.02, ['3d']],
    [0.005, []],
  ];
  const judged = rates.flatMap(([share, windows]) =>
    [
      { alert: 'KubeAPIErrorBudgetBurn', series: failing(share) },
      { alert: 'KubeAPILatencyBudgetBurn', series: slow(share) },
    ].map(({ alert, series }) => {
      const name = `${alert} at ${share}`;
      const ruleCase: RuleCase = { name, series, intervalMs: stepMs, atMs: days * 1440 * minuteMs };
      const found = firing(burnRates, ruleCase, evaluationMs);
      assert.deepEqual(
        found.map((f) => `${f.alert} ${f.labels['long']}`).sort(),
        windows.map((w) => `${alert} ${w}`).sort(),
        name,
      );
      return { ...ruleCase, found };
    }),
  );
  assert.equal(disagreement(burnRates, judged, evaluationMs), undefined);
});

test('alert rules: the judge: a finding left out, or invented, is noticed', { skip: withoutPrometheus }, () => {
  const ruleCase: RuleCase = {
    name: 'a sixth attempt',
    series: { ...everyoneIsUp, ...gauge('scheduler_scheduling_attempts', 'kube-scheduler', steady(6)) },
    intervalMs: minuteMs,
    atMs: minutes * minuteMs,
  };
  const found = firing(others, ruleCase, minuteMs);
  assert.equal(found.length, 1);
  assert.equal(disagreement(others, [{ ...ruleCase, found }], minuteMs), undefined);
  assert.match(disagreement(others, [{ ...ruleCase, found: [] }], minuteMs) ?? '', /KubeSchedulerPodAttemptsHigh/);
  const invented = [...found, { ...found[0]!, alert: 'TargetDown' }];
  assert.match(disagreement(others, [{ ...ruleCase, found: invented }], minuteMs) ?? '', /TargetDown/);
});
