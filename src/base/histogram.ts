/** A Prometheus histogram: counts by fixed upper bounds. Observing costs a short search and three additions. */
export class Histogram {
  readonly bounds: readonly number[];
  /** Of each bound alone; the last is of what lies above all of them. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  /** `bounds` ascend. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.bounds.length && value > this.bounds[i]!) i++;
    this.counts[i]!++;
    this.sum += value;
    this.count++;
  }

  /** In the text format; `labels` without braces: `resource="pods"`, or ''. */
  render(lines: string[], name: string, labels: string): void {
    const comma = labels === '' ? '' : ',';
    let below = 0;
    for (const [i, bound] of this.bounds.entries()) {
      below += this.counts[i]!;
      lines.push(`${name}_bucket{${labels}${comma}le="${bound}"} ${below}`);
    }
    lines.push(`${name}_bucket{${labels}${comma}le="+Inf"} ${this.count}`);
    const braced = labels === '' ? '' : `{${labels}}`;
    lines.push(`${name}_sum${braced} ${this.sum}`, `${name}_count${braced} ${this.count}`);
  }
}
