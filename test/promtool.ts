/** Prometheus' own judge of rules, `promtool test rules`, asked whether it and our evaluator see the same alerts. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AlertRule, ruleFileOf } from '#checks/alerts/alert-rule.ts';
import { AlertStates, type Finding } from '#checks/alerts/alert-states.ts';
import { durationText } from '#checks/alerts/expression.ts';
import { Samples } from '#checks/alerts/samples.ts';
import { parseMetrics } from '#client/metrics-text.ts';

/** `up{job="etcd"}`: its values, one an interval; undefined: the scrape failed; 'stale': it ended. */
export type SeriesValues = Record<string, (number | undefined | 'stale')[]>;

export interface RuleCase {
  name: string;
  series: SeriesValues;
  intervalMs: number;
  /** When the alerts are looked at; the rules are evaluated from 0 to there. */
  atMs: number;
}

export const withoutPrometheus = (() => {
  const isThere = ['promtool', 'prometheus'].every(
    (p) => spawnSync(p, ['--version'], { stdio: 'ignore' }).status === 0,
  );
  if (!isThere && process.env['CI'] === 'true') throw new Error('prometheus is missing: install prometheus');
  return isThere ? false : 'prometheus is not installed (Debian: prometheus)';
})();

/** What our evaluator says fires at the end of it. */
export function firing(
  rules: readonly AlertRule[],
  { series, intervalMs, atMs }: RuleCase,
  evaluationMs: number,
): Finding[] {
  const samples = new Samples();
  for (const [text, values] of Object.entries(series)) {
    const { name, labels } = parseMetrics(`${text} 0`)[0]!;
    for (const [i, value] of values.entries()) {
      if (value !== undefined) samples.add(name, labels, i * intervalMs, value === 'stale' ? undefined : value);
    }
  }
  const states = new AlertStates(rules);
  let found: Finding[] = [];
  for (let at = 0; at <= atMs; at += evaluationMs) found = states.evaluate(samples, at);
  return found.filter((f) => f.state === 'firing');
}

/** Undefined when promtool expects in each case exactly what our evaluator found, else what it says. */
export function disagreement(
  rules: readonly AlertRule[],
  cases: readonly (RuleCase & { found: readonly Finding[] })[],
  evaluationMs: number,
): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'evenkeel-test-'));
  try {
    writeFileSync(join(directory, 'rules.yml'), JSON.stringify(ruleFileOf(rules)));
    writeFileSync(
      join(directory, 'tests.yml'),
      JSON.stringify({
        rule_files: ['rules.yml'],
        evaluation_interval: durationText(evaluationMs),
        tests: cases.map((c) => testGroup(rules, c)),
      }),
    );
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', join(directory, 'tests.yml')], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
    return status === 0 ? undefined : (stdout + stderr).replace(/^\s*\n/gm, '');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function testGroup(
  rules: readonly AlertRule[],
  { name, series, intervalMs, atMs, found }: RuleCase & { found: readonly Finding[] },
) {
  return {
    name,
    interval: durationText(intervalMs),
    input_series: Object.entries(series).map(([text, values]) => ({
      series: text,
      values: values.map((v) => v ?? '_').join(' '),
    })),
    alert_rule_test: [...new Set(rules.map((r) => r.alert))].map((alertname) => ({
      eval_time: durationText(atMs),
      alertname,
      exp_alerts: found
        .filter((f) => f.alert === alertname)
        .map(({ labels, severity, summary, description, runbook }) => ({
          exp_labels: { ...labels, severity },
          exp_annotations: { summary, description, runbook },
        })),
    })),
  };
}
