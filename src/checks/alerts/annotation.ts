/** Fills the templates of annotations, in the forms that the rules use. */
import type { Sample } from './evaluate.ts';

export function filled(template: string, { labels, value }: Sample): string {
  return template
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? '')
    .replace(/\{\{ \$value \| humanizePercentage \}\}/g, `${significant(value * 100, 4)}%`)
    .replace(/\{\{ printf "%\.(\d)f" \$value \}\}/g, (_, digits: string) => rounded(value, Number(digits)))
    .replace(/\{\{ \$value \}\}/g, String(value));
}

/** As Go's %.Nf: what lies in the middle goes to the even neighbour. */
function rounded(value: number, digits: number): string {
  const scaled = value * 10 ** digits;
  const isMiddle = Math.abs(scaled) < 1e9 && scaled - Math.floor(scaled) === 0.5;
  return (isMiddle ? (2 * Math.round(scaled / 2)) / 10 ** digits : value).toFixed(digits);
}

/** As Go's %.Ng: as many digits as count, in powers of ten where it is far from one. */
function significant(value: number, digits: number): string {
  if (!Number.isFinite(value)) return String(value);
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e') as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < digits) return String(Number(value.toPrecision(digits)));
  return `${Number(mantissa)}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
