import { runSeed } from './run-seed.ts';

const [from, to, trace] = process.argv.slice(2).map(Number) as [number, number, number?];
const t0 = performance.now();
let bad = 0;
for (let seed = from; seed < to; seed++) {
  const r = await runSeed(seed, { keepTrace: !!trace });
  if (trace) console.log(r.trace.join('\n'));
  if (r.violations.length) {
    bad++;
    console.log(
      seed,
      r.violations.length,
      r.violations
        .slice(0, trace ? 10 : 2)
        .map((v) => v.what + ': ' + v.detail.slice(0, trace ? 3000 : 300))
        .join('\n   '),
    );
  }
  if (trace) console.log(r.hash, r.steps, r.virtualMs, r.operations, r.watchItems, r.revisions, r.counts);
}
console.log(`${to - from} seeds, ${bad} bad, ${(((to - from) / (performance.now() - t0)) * 1000).toFixed(1)} seeds/s`);
