/** A quantile from cumulative bucket counts, spread evenly inside the bucket it falls into, as Prometheus has it. */
export interface Bucket {
  upperBound: number;
  /** Of this bucket and all below it. */
  count: number;
}

/** NaN without observations, or without a bucket for all of them. */
export function histogramQuantile(share: number, unordered: readonly Bucket[]): number {
  const buckets = [...unordered].sort((a, b) => a.upperBound - b.upperBound);
  const top = buckets.at(-1);
  if (buckets.length < 2 || top?.upperBound !== Number.POSITIVE_INFINITY) return Number.NaN;
  // Buckets are read one after the other while they grow: none may seem to hold less than the one below.
  let most = Number.NEGATIVE_INFINITY;
  for (const [i, b] of buckets.entries()) {
    most = Math.max(most, b.count);
    buckets[i] = { upperBound: b.upperBound, count: most };
  }
  const total = buckets.at(-1)!.count;
  if (total === 0 || Number.isNaN(total)) return Number.NaN;
  const rank = share * total;
  const found = buckets.findIndex((b, i) => i === buckets.length - 1 || b.count >= rank);
  if (found === buckets.length - 1) return buckets.at(-2)!.upperBound;
  const { upperBound, count } = buckets[found]!;
  if (found === 0 && upperBound <= 0) return upperBound;
  const lower = buckets[found - 1] ?? { upperBound: 0, count: 0 };
  return lower.upperBound + (upperBound - lower.upperBound) * ((rank - lower.count) / (count - lower.count));
}
