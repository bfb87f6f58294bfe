/** What an alert is: a condition, how long it must hold, and what a person needs who is woken by it. */
import { durationText, type Expression, promqlOf } from './expression.ts';

export interface AlertRule {
  /** As the kubernetes-mixin and etcd's mixin call theirs, where they have one. */
  alert: string;
  group: RuleGroup;
  severity: 'critical' | 'warning';
  expression: Expression;
  /** The condition must hold for so long. */
  forMs: number;
  /** Beside the severity. */
  labels?: Readonly<Record<string, string>>;
  annotations: Annotations;
  panel: Panel;
}

export type RuleGroup = 'apiserver' | 'slo' | 'scheduling' | 'leaders' | 'availability' | 'store' | 'security';

/** Templates of Prometheus: `{{ $labels.NAME }}`, `{{ $value }}`, and the two ways of `annotation.ts` to show a value. */
export interface Annotations {
  summary: string;
  description: string;
  /** What to do. */
  runbook: string;
}

/** Rules whose panels have the same title share one. */
export interface Panel {
  title: string;
  unit: 's' | 'percentunit' | 'short' | 'dateTimeAsIso';
}

export interface PrometheusRule {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Annotations;
}

/** Prometheus' rule file, as an object. */
export function ruleFileOf(rules: readonly AlertRule[]): { groups: { name: string; rules: PrometheusRule[] }[] } {
  const names = [...new Set(rules.map((r) => r.group))];
  return {
    groups: names.map((name) => ({
      name: `evenkeel-${name}`,
      rules: rules.filter((r) => r.group === name).map(prometheusRule),
    })),
  };
}

function prometheusRule({ alert, expression, forMs, severity, labels, annotations }: AlertRule): PrometheusRule {
  return {
    alert,
    expr: promqlOf(expression),
    ...(forMs > 0 ? { for: durationText(forMs) } : {}),
    labels: { severity, ...labels },
    annotations,
  };
}
