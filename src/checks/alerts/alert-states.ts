/**
 * Which alerts fire, from evaluation to evaluation: a condition must hold, without a break, for as long as its rule says
 * or, where we look for a shorter time than that, for all of it.
 */
import type { AlertRule } from './alert-rule.ts';
import { filled } from './annotation.ts';
import { asVector, evaluate } from './evaluate.ts';
import type { Expression } from './expression.ts';
import { keyOf, type Labels, type Samples } from './samples.ts';

export interface Finding {
  alert: string;
  severity: AlertRule['severity'];
  state: 'firing' | 'pending';
  labels: Labels;
  value: number;
  heldMs: number;
  /** What the rule asks for. */
  forMs: number;
  summary: string;
  description: string;
  runbook: string;
}

export class AlertStates {
  readonly #rules: readonly AlertRule[];
  /** No condition is waited for longer than this. */
  readonly #forMaxMs: number;
  /** By rule and labels. */
  #heldSince = new Map<string, number>();

  constructor(rules: readonly AlertRule[], forMaxMs = Number.POSITIVE_INFINITY) {
    this.#rules = rules;
    this.#forMaxMs = forMaxMs;
  }

  /** `windowMs`: for how long there are samples; no rate is taken over more. */
  evaluate(samples: Samples, at: number, windowMs = Number.POSITIVE_INFINITY): Finding[] {
    const heldSince = new Map<string, number>();
    const findings = this.#rules.flatMap((rule, index) =>
      asVector(evaluate(within(rule.expression, windowMs), samples, at)).map((sample): Finding => {
        const key = `${index} ${keyOf(sample.labels)}`;
        const since = this.#heldSince.get(key) ?? at;
        heldSince.set(key, since);
        const { alert, severity, forMs, annotations } = rule;
        return {
          alert,
          severity,
          state: at - since >= Math.min(forMs, this.#forMaxMs) ? 'firing' : 'pending',
          labels: { ...sample.labels, ...rule.labels },
          value: sample.value,
          heldMs: at - since,
          forMs,
          summary: filled(annotations.summary, sample),
          description: filled(annotations.description, sample),
          runbook: filled(annotations.runbook, sample),
        };
      }),
    );
    this.#heldSince = heldSince;
    return findings;
  }
}

/** With no window longer than `windowMs`. */
export function within(expression: Expression, windowMs: number): Expression {
  switch (expression.kind) {
    case 'range':
      return { ...expression, windowMs: Math.min(expression.windowMs, windowMs) };
    case 'aggregate':
    case 'quantile':
    case 'abs':
    case 'absent':
      return { ...expression, of: within(expression.of, windowMs) };
    case 'arithmetic':
    case 'and':
      return { ...expression, left: within(expression.left, windowMs), right: within(expression.right, windowMs) };
    case 'compare':
      return { ...expression, left: within(expression.left, windowMs) };
    default:
      return expression;
  }
}
