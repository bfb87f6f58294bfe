/**
 * Kills the store under load, again and again, and says whether it kept its word:
 *
 *     node test/long/kill-the-store.ts --cycles 200
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { type KillReport, storeUnderKill } from './store-under-kill.ts';

const usage = `Usage: node test/long/kill-the-store.ts [--cycles 200] [--writers 16] [--seed 1] [--output text|json]`;

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    writers: { type: 'string', default: '16' },
    seed: { type: 'string', default: '1' },
    output: { type: 'string', default: 'text' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const [cycles, writers, seed] = [Number(values.cycles), Number(values.writers), Number(values.seed)];
const isUsable = [cycles, writers].every((n) => Number.isInteger(n) && n > 0) && Number.isInteger(seed);
if (!isUsable || !['text', 'json'].includes(values.output)) {
  console.error(usage);
  process.exit(2);
}

const isJson = values.output === 'json';
const started = Date.now();
const seconds = () => ((Date.now() - started) / 1000).toFixed(0);
const colour = (name: 'green' | 'red', text: string) =>
  process.stdout.isTTY && !process.env['NO_COLOR'] ? styleText(name, text) : text;
const numbers = (r: KillReport) =>
  `${r.acknowledged} acknowledged, ${r.unansweredApplied + r.unansweredLost} unanswered ` +
  `(${r.unansweredApplied} applied), revision ${r.revision}, ${r.watchEvents} events watched`;

const dataDir = mkdtempSync(join(tmpdir(), 'evenkeel-killed-'));
const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
const report = await storeUnderKill({
  dataDir,
  cycles,
  writers,
  seed,
  requestsMin: 100,
  requestsMax: 600,
  signal: abort.signal,
  onCycle(r) {
    // On standard error, so that standard output is the verdict.
    if (!isJson && (r.cycle % 10 === 0 || r.cycle === 1)) {
      console.error(`${seconds().padStart(5)} s  kill ${r.cycle} of ${cycles}: ${numbers(r)}`);
    }
  },
});
const isGood = report.violations.length === 0;
if (isJson) {
  console.log(
    JSON.stringify(
      { verdict: isGood ? 'pass' : 'fail', cycles, writers, seed, seconds: Number(seconds()), ...report },
      null,
      2,
    ),
  );
} else {
  for (const violation of report.violations) console.log(`  ${violation}`);
  const verdict = isGood ? colour('green', 'PASS') : colour('red', 'FAIL');
  console.log(`${verdict}  ${report.cycle} kills in ${seconds()} s: ${numbers(report)}`);
}
if (isGood) rmSync(dataDir, { recursive: true, force: true });
else console.error(`The data is kept in ${dataDir}.`);
process.exit(isGood ? 0 : 1);
