import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AlertsData, alertsReport } from './alerts-report.ts';
import { styleFor } from './style.ts';

const plain = styleFor({ isTTY: false }, {});
const up = { job: 'apiserver', instance: 'master1', state: 'up' };
const well: AlertsData = { windowMs: 15_000, findings: [], untold: [], skipped: [], rules: 27, targets: [up] };
const targetDown = {
  alert: 'TargetDown',
  severity: 'warning',
  state: 'firing',
  labels: { job: 'etcd' },
  heldMs: 9_000,
  forMs: 60_000,
  summary: 'etcd does not answer.',
  description: 'It could not be read.',
  runbook: 'Start it.',
} as const;

test('alerts report: all is well: one line, and what it is worth', () => {
  assert.equal(
    alertsReport(well, plain),
    'no alert fires\n27 rules; 1 of 1 targets answer; rates are over 15 s, and so long at most a condition had to hold\n',
  );
});

test('alerts report: one alert for many: told once what to do; critical ones first, pending ones last', () => {
  const other = { ...targetDown, summary: 'kubelet does not answer.' };
  const critical = { ...targetDown, alert: 'KubeAPIDown', severity: 'critical', forMs: 0 };
  const pending = { ...critical, alert: 'etcdNoLeader', state: 'pending' } as const;
  const text = alertsReport({ ...well, findings: [pending, targetDown, other, critical] }, plain);
  assert.deepEqual(text.match(/^(firing|pending) .*$/gm), [
    'firing   critical  KubeAPIDown',
    'firing   warning  TargetDown',
    'pending  critical  etcdNoLeader',
  ]);
  assert.equal(text.match(/Start it\./g)!.length, 3);
  assert.match(text, /etcd does not answer\.\n.*\n *kubelet does not answer\./);
  assert.match(text, /it has held for 9 s; the rule file waits 60 s/);
  assert.doesNotMatch(text, /no alert fires/);
});

test('alerts report: nothing answers: says so first, and what cannot be told, with the reason', () => {
  const why = 'apiserver does not answer: nothing listens there';
  const untold = ['A', 'B', 'A'].map((alert) => ({ alert, why }));
  const text = alertsReport({ ...well, untold, targets: [{ ...up, state: 'down' }] }, plain);
  assert.match(text, /^nothing of it answers: evenkeel status tells what runs, evenkeel up starts it\n/);
  assert.match(text, /cannot tell {2}apiserver does not answer: nothing listens there\n {9}A, B\n/);
});
