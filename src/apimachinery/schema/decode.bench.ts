/** What decoding costs beside parsing: `node src/apimachinery/schema/decode.bench.ts`. Ratios count, not times. */

import { parseJson } from '../json/parse-json.ts';
import { cloneJson } from '../json-value.ts';
import { schemaNames, schemas, typicalDeployment } from '../testing/fixtures.ts';
import { decodeObject } from './decode.ts';

const text = JSON.stringify(typicalDeployment());
const value = JSON.parse(text);

const cases: Record<string, () => unknown> = {
  'JSON.parse': () => JSON.parse(text),
  'JSON.stringify': () => JSON.stringify(value),
  parseJson: () => parseJson(text),
  decodeObject: () => decodeObject(schemas, schemaNames.deployment, value),
  cloneJson: () => cloneJson(value),
  structuredClone: () => structuredClone(value),
};

const nanos: Record<string, number> = {};
for (let round = 0; round < 5; round++) {
  for (const [name, run] of Object.entries(cases)) {
    const iterations = 20_000;
    const start = process.hrtime.bigint();
    for (let i = 0; i < iterations; i++) run();
    nanos[name] = Math.min(
      nanos[name] ?? Number.POSITIVE_INFINITY,
      Number(process.hrtime.bigint() - start) / iterations,
    );
  }
}
for (const [name, ns] of Object.entries(nanos)) {
  const ratio = ns / nanos['JSON.parse']!;
  console.log(`${name.padEnd(16)} ${(ns / 1000).toFixed(2).padStart(7)} µs  ${ratio.toFixed(2)} × JSON.parse`);
}
