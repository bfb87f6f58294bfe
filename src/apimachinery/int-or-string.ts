/** A field that holds a number or a percentage: `maxUnavailable: 1`, `maxSurge: 25%`. */
export type IntOrString = number | string;

/**
 * The number meant, with percentages taken of `total`. Rolling updates round surge up and unavailability down.
 * Undefined: a text that is no percentage.
 */
export function scaledIntOrPercent(value: IntOrString, total: number, roundUp: boolean): number | undefined {
  if (typeof value === 'number') return value;
  const match = /^([-+]?\d+)%$/.exec(value);
  if (!match) return undefined;
  const product = Number(match[1]) * total;
  return roundUp ? Math.ceil(product / 100) : Math.floor(product / 100);
}

/** Percentages without a number in front, fractions and signs are not valid in specs. */
export function percentErrors(value: string): string[] {
  return /^[0-9]+%$/.test(value)
    ? []
    : [
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ];
}
