/**
 * Kubernetes quantities, `500m`, `1.5Gi`, `12e6`: exact fixed-point numbers with a unit suffix (apimachinery
 * api/resource). The amount is kept in nanos, the finest step there is; the format remembers which family of suffixes
 * the text used. Schedulers and quotas want plain numbers: `quantityValue` and `quantityMilliValue` give them fast.
 */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  nanos: bigint;
  format: QuantityFormat;
}

/** The text is no quantity; the message is what upstream's decoder says. */
export class QuantityFormatError extends Error {
  override name = 'QuantityFormatError';
}

/** Longer texts and larger exponents are refused: nobody means them, and they cost time and memory. */
const textMaxLength = 128;
const exponentMax = 100;

const grammar = /^([+-]?)0*([0-9]*)(\.[0-9]*)?([eEinumkKMGTP]*[-+]?[0-9]*)$/;

/** Throws QuantityFormatError. Finer than a nano is rounded away from zero. */
export function parseQuantity(text: string): Quantity {
  const { negative, whole, fraction, suffix } = scan(text);
  // value = digits × 10^-fraction.length × 10^exponent (or × 2^exponent)
  let nanos = BigInt(whole + fraction) * (suffix.base === 2 ? 1n << BigInt(suffix.exponent) : 1n);
  const shift = 9 - fraction.length + (suffix.base === 10 ? suffix.exponent : 0);
  if (shift >= 0) nanos *= 10n ** BigInt(shift);
  else nanos = divideAwayFromZero(nanos, 10n ** BigInt(-shift));
  if (suffix.format === 'BinarySI' && nanos > binaryMaxNanos) nanos = binaryMaxNanos;
  const format = suffix.format === 'BinarySI' && nanos > 0n && nanos < nanosPerUnit ? 'DecimalSI' : suffix.format;
  return { nanos: negative ? -nanos : nanos, format };
}

/** The canonical text: no fraction, the largest suffix that loses nothing. */
export function formatQuantity(quantity: Quantity): string {
  const { nanos } = quantity;
  if (nanos === 0n) return '0';
  const isWhole = nanos % nanosPerUnit === 0n;
  const isSmall = nanos > -1024n * nanosPerUnit && nanos < 1024n * nanosPerUnit;
  if (quantity.format === 'BinarySI' && isWhole && !isSmall) {
    let mantissa = nanos / nanosPerUnit;
    let power = 0;
    while (power < binarySuffixes.length - 1 && (mantissa & 1023n) === 0n) {
      mantissa >>= 10n;
      power++;
    }
    return `${mantissa}${binarySuffixes[power]}`;
  }
  let mantissa = nanos;
  let exponent = -9;
  while (mantissa % 1000n === 0n) {
    mantissa /= 1000n;
    exponent += 3;
  }
  const suffix = quantity.format === 'DecimalExponent' ? undefined : decimalSuffixes[(exponent + 9) / 3];
  return `${mantissa}${suffix ?? (exponent === 0 ? '' : `e${exponent}`)}`;
}

/**
 * How an API server prints what it was given: canonical, except for texts that its parser takes for canonical by their
 * looks and keeps (`1.500` is one, by a quirk). Throws QuantityFormatError.
 */
export function canonicalQuantity(text: string): string {
  if (text === '0' || short.test(text)) return text;
  const { whole, fraction, suffix } = scan(text);
  if (suffix.base === 2) {
    const isShort = fraction === '' && 14 - whole.length - Math.trunc((suffix.exponent * 3) / 10) >= 0;
    if (isShort && !/\./.test(text) && (BigInt(whole) & 7n) !== 0n) return text;
  } else {
    const digits = whole + fraction;
    const scale = suffix.exponent - fraction.length;
    const isShort = digits.length <= 18 && scale >= -9;
    if (isShort && scale % 3 === 0 && !digits.endsWith('000') && digits[0] !== '0') return text;
  }
  return formatQuantity(parseQuantity(text));
}

/** Nearly all quantities there are; with three digits at most no larger suffix would do. */
const short = /^[1-9][0-9]{0,2}(?:[mkMGT]|[KMGT]i)?$/;

/** In units, fractions rounded up. Exact up to 2^53. Texts that are no quantity count as 0: validation came before. */
export function quantityValue(text: string | number | undefined | null): number {
  return scaledNumber(text, nanosPerUnit, 1);
}

/** In thousandths, finer fractions rounded up: `100m` and `0.1` are 100. */
export function quantityMilliValue(text: string | number | undefined | null): number {
  return scaledNumber(text, nanosPerUnit / 1000n, 1000);
}

export function compareQuantities(a: Quantity, b: Quantity): -1 | 0 | 1 {
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
}

/** Zero has no format of its own and takes the other's. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** Up to a whole multiple of 10^scale: resource lists are kept to thousandths (-3). */
export function roundQuantityUp(quantity: Quantity, scale: number): Quantity {
  const step = 10n ** BigInt(scale + 9);
  return { nanos: divideAwayFromZero(quantity.nanos, step) * step, format: quantity.format };
}

export const zeroQuantity: Quantity = { nanos: 0n, format: 'DecimalSI' };

const nanosPerUnit = 1_000_000_000n;
const binaryMaxNanos = (2n ** 63n - 1n) * nanosPerUnit;
const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

interface Suffix {
  base: 2 | 10;
  exponent: number;
  format: QuantityFormat;
}
const suffixes = new Map<string, Suffix>([
  ...decimalSuffixes.map((s, i): [string, Suffix] => [s, { base: 10, exponent: i * 3 - 9, format: 'DecimalSI' }]),
  ...binarySuffixes
    .slice(1)
    .map((s, i): [string, Suffix] => [s, { base: 2, exponent: i * 10 + 10, format: 'BinarySI' }]),
]);

function scan(text: string) {
  const match = text.length <= textMaxLength ? grammar.exec(text) : null;
  if (!match || text === '') {
    throw new QuantityFormatError(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  }
  const [, sign, whole, fraction, suffixText] = match;
  const suffix = suffixes.get(suffixText!) ?? exponentSuffix(suffixText!);
  if (!suffix) throw new QuantityFormatError("unable to parse quantity's suffix");
  return { negative: sign === '-', whole: whole || '0', fraction: fraction?.slice(1) ?? '', suffix };
}

function exponentSuffix(text: string): Suffix | undefined {
  if (!/^[eE][-+]?\d+$/.test(text)) return undefined;
  const exponent = Number(text.slice(1));
  return Math.abs(exponent) <= exponentMax ? { base: 10, exponent, format: 'DecimalExponent' } : undefined;
}

function divideAwayFromZero(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  if (dividend % divisor === 0n) return quotient;
  return dividend < 0n ? quotient - 1n : quotient + 1n;
}

const binaryFactors: Record<string, number> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };
const decimalFactors: Record<string, number> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
/** Digits and one common suffix: what nearly every quantity looks like. */
const plain = /^(\d{1,9})(m|Ki|Mi|Gi|Ti|k|M|G|T|)$/;

function scaledNumber(text: string | number | undefined | null, nanosPerStep: bigint, stepsPerUnit: number): number {
  if (text === undefined || text === null || text === '') return 0;
  const match = plain.exec(String(text));
  if (match) {
    const digits = Number(match[1]);
    const suffix = match[2]!;
    if (suffix === 'm') return Math.ceil((digits * stepsPerUnit) / 1000);
    const value = digits * (binaryFactors[suffix] ?? decimalFactors[suffix]!) * stepsPerUnit;
    if (value <= Number.MAX_SAFE_INTEGER) return value;
  }
  try {
    return Number(divideAwayFromZero(parseQuantity(String(text)).nanos, nanosPerStep));
  } catch {
    return 0;
  }
}
