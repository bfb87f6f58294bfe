/** Samples over time, by metric and labels: what a Prometheus would hold of a short while. */
import type { Matcher, Selector } from './expression.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Point {
  /** Milliseconds. */
  at: number;
  /** Undefined: from here on the series is not there, as after a scrape that did not show it. */
  value: number | undefined;
}

export interface Series {
  labels: Labels;
  /** In the order of time. */
  points: Point[];
}

export class Samples {
  readonly #byMetric = new Map<string, Map<string, Series>>();

  /** A label without a value is none. */
  add(metric: string, given: Labels, at: number, value: number | undefined): void {
    let ofMetric = this.#byMetric.get(metric);
    if (!ofMetric) {
      ofMetric = new Map();
      this.#byMetric.set(metric, ofMetric);
    }
    const labels = Object.values(given).includes('') ? withoutEmpty(given) : given;
    const key = keyOf(labels);
    let series = ofMetric.get(key);
    if (!series) {
      series = { labels, points: [] };
      ofMetric.set(key, series);
    }
    series.points.push({ at, value });
  }

  /** Ends every series with these labels that has no sample at `at`: the scrape did not show it. */
  endMissing(labels: Labels, at: number): void {
    for (const ofMetric of this.#byMetric.values()) {
      for (const series of ofMetric.values()) {
        const last = series.points.at(-1)!;
        const isOurs = Object.entries(labels).every(([name, value]) => series.labels[name] === value);
        if (isOurs && last.at < at && last.value !== undefined) series.points.push({ at, value: undefined });
      }
    }
  }

  forgetBefore(at: number): void {
    for (const ofMetric of this.#byMetric.values()) {
      for (const [key, series] of ofMetric) {
        const kept = series.points.findIndex((p) => p.at >= at);
        if (kept < 0) ofMetric.delete(key);
        else if (kept > 0) series.points.splice(0, kept);
      }
    }
  }

  matching({ metric, matchers }: Selector): Series[] {
    const tests = matchers.map(testOf);
    return [...(this.#byMetric.get(metric)?.values() ?? [])].filter((s) => tests.every((fits) => fits(s.labels)));
  }
}

function withoutEmpty(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

function testOf({ label, operator, value }: Matcher): (labels: Labels) => boolean {
  const isNegative = operator.startsWith('!');
  if (operator === '=' || operator === '!=') return (labels) => ((labels[label] ?? '') === value) !== isNegative;
  const pattern = new RegExp(`^(?:${value})$`);
  return (labels) => pattern.test(labels[label] ?? '') !== isNegative;
}

/** The same text for the same labels, in whatever order they were given. */
export function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
