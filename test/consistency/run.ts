/**
 * Records and judges for as long as you like:
 *
 *     node test/consistency/run.ts embedded --seconds 60 --seed 7
 *     node test/consistency/run.ts --rounds 10 --output json      # every scenario, ten times each
 *
 * Ends with status 1 when a promise was broken; `--keep DIR` then writes the history there.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { verdictText } from '#drills/model/checker.ts';
import { realClock } from '#os/real-clock.ts';
import { runScenario } from './consistency.ts';
import { scenarios } from './scenarios.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    rounds: { type: 'string', default: '1' },
    output: { type: 'string', short: 'o', default: 'text' },
    keep: { type: 'string' },
  },
});
const unknown = positionals.filter((name) => !scenarios.some((s) => s.name === name));
if (unknown.length > 0) {
  process.stderr.write(`no scenario ${unknown[0]}: there are ${scenarios.map((s) => s.name).join(', ')}\n`);
  process.exit(2);
}
const isJson = values.output === 'json';
let isBroken = false;
for (let round = 0; round < Number(values.rounds); round++) {
  const seed = Number(values.seed) + round;
  for (const scenario of scenarios) {
    if (positionals.length > 0 ? !positionals.includes(scenario.name) : scenario.onlyByName) continue;
    if (scenario.skip) {
      process.stderr.write(`skipped ${scenario.name}: ${scenario.skip}\n`);
      continue;
    }
    const say = (line: string) => isJson || process.stdout.write(`${line}\n`);
    say(`${scenario.name}: ${scenario.title}; seed ${seed}, ${values.seconds} s`);
    const onFault = (name: string) => say(`  ${name}`);
    const result = await runScenario({ scenario, seed, seconds: Number(values.seconds), clock: realClock, onFault });
    const { verdict, faults, history, truth } = result;
    if (isJson) process.stdout.write(`${JSON.stringify({ scenario: scenario.name, seed, faults, ...verdict })}\n`);
    say(verdictText(verdict));
    if (verdict.isConsistent) continue;
    isBroken = true;
    if (values.keep === undefined) continue;
    mkdirSync(values.keep, { recursive: true });
    const file = join(values.keep, `${scenario.name}-${seed}.json`);
    writeFileSync(file, JSON.stringify({ history, truth, verdict }));
    say(`the history: ${file}`);
  }
}
process.exit(isBroken ? 1 : 0);
