/** Fills the templates of annotations, in the forms that the rules use. */
import type { Sample } from './evaluate.ts';

export function filled(template: string, { labels, value }: Sample): string {
  return template
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? '')
    .replace(/\{\{ \$value \| humanizePercentage \}\}/g, `${significant(value * 100, 4)}%`)
    .replace(/\{\{ printf "%\.(\d)f" \$value \}\}/g, (_, digits: string) => value.toFixed(Number(digits)))
    .replace(/\{\{ \$value \}\}/g, String(value));
}

/** As Go's %.4g, for numbers of a usual size. */
function significant(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}
