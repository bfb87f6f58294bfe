/**
 * `node test/sim/run.ts --seeds 2000`: many worlds, one after the other, on several processes. Says how far it is, and at
 * the first seed that fails what happened and how to see it again. Exit code 0: all were consistent; 1: one was not.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs, styleText } from 'node:util';
import { makePlan } from './plan.ts';
import { plantedBugs } from './planted-bugs.ts';
import { type RunResult, runPlan, runSeed } from './run-seed.ts';
import { shrink, sizeOf } from './shrink.ts';

const usage = `usage: node test/sim/run.ts [options]
  --seeds N        run N seeds (default 2000)
  --from N         the first of them (default 1)
  --jobs N         processes side by side (default: one per core)
  --output json    one JSON object at the end instead of text
  --seed X         only this one
    --trace        and print all that happened
    --shrink       and leave out what does not matter, then print the rest
  --planted NAME   with this mistake in it (--planted list: their names)
`;

/** Seeds handed to a process at a time. */
const blockSeeds = 20;

interface Block {
  from: number;
  to: number;
}

interface BlockResult {
  seeds: number;
  failed?: { seed: number; violations: RunResult['violations'] };
  totals: Totals;
}

interface Totals {
  operations: number;
  watchItems: number;
  revisions: number;
  steps: number;
  virtualMs: number;
  counts: Record<string, number>;
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.planted === 'list') {
    process.stdout.write(`${Object.keys(plantedBugs).join('\n')}\n`);
  } else if (options.seed !== undefined) {
    process.exitCode = await runOne(options.seed, options);
  } else {
    process.exitCode = await runMany(options);
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '2000' },
        from: { type: 'string', default: '1' },
        jobs: { type: 'string', default: String(availableParallelism()) },
        output: { type: 'string', default: 'text' },
        seed: { type: 'string' },
        trace: { type: 'boolean', default: false },
        shrink: { type: 'boolean', default: false },
        planted: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    if (values.output !== 'text' && values.output !== 'json') throw new Error(`--output is text or json`);
    if (values.planted && values.planted !== 'list' && !plantedBugs[values.planted]) {
      throw new Error(`no such mistake: ${values.planted}`);
    }
    return {
      ...values,
      seeds: whole('--seeds', values.seeds, 1),
      from: whole('--from', values.from, 0),
      jobs: Math.min(whole('--jobs', values.jobs, 1), jobsMax),
      seed: values.seed === undefined ? undefined : whole('--seed', values.seed, 0),
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

const jobsMax = 64;

function whole(flag: string, text: string, min: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < min)
    throw new Error(`${flag} is a whole number from ${min} on, not ${text}`);
  return value;
}

type Options = ReturnType<typeof readOptions>;

// ---- One seed

async function runOne(seed: number, options: Options): Promise<number> {
  const sabotage = () => (options.planted ? { sabotage: plantedBugs[options.planted]!() } : {});
  let plan = makePlan(seed);
  let result = await runPlan(plan, { ...sabotage(), keepTrace: options.trace });
  const first = result.violations[0];
  if (options.shrink && first) {
    const before = sizeOf(plan);
    const smaller = await shrink(plan, first.what, sabotage());
    plan = smaller.plan;
    result = await runPlan(plan, { ...sabotage(), keepTrace: true });
    process.stderr.write(`${sizeOf(plan)} of ${before} steps, faults and watchers left, after ${smaller.runs} runs\n`);
  }
  if (options.output === 'json') {
    const { seed: number, violations, hash, trace } = result;
    process.stdout.write(`${JSON.stringify({ seed: number, violations, hash, trace }, null, 2)}\n`);
  } else {
    for (const line of result.trace) process.stdout.write(`${line}\n`);
    for (const violation of result.violations) process.stdout.write(`\n${bad(violation.what)}\n${violation.detail}\n`);
    const { operations, revisions, steps, virtualMs, hash } = result;
    const what = result.violations.length === 0 ? good('consistent') : bad('NOT consistent');
    process.stdout.write(
      `seed ${seed}: ${what}; ${operations} operations, ${revisions} revisions, ${steps} steps in ${(virtualMs / 1000).toFixed(1)} s of its own time; trace ${hash}\n`,
    );
  }
  return result.violations.length === 0 ? 0 : 1;
}

// ---- Many

async function runMany({ seeds, from, jobs, output, planted }: Options): Promise<number> {
  const isText = output === 'text';
  const start = performance.now();
  const end = from + seeds;
  let next = from;
  let done = 0;
  let failed: BlockResult['failed'];
  const totals: Totals = { operations: 0, watchItems: 0, revisions: 0, steps: 0, virtualMs: 0, counts: {} };
  const rate = () => (done / ((performance.now() - start) / 1000)).toFixed(1);
  if (isText) process.stdout.write(`seeds ${from} to ${end - 1} on ${jobs} ${jobs === 1 ? 'process' : 'processes'}\n`);
  let reportAt = start + reportEveryMs;

  const work = async (): Promise<void> => {
    const child = fork(import.meta.filename, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const stop = () => child.kill();
    process.once('exit', stop);
    try {
      // The seeds before one that failed are finished, so that the first of all is told.
      while (next < Math.min(end, failed?.seed ?? end)) {
        const block = { from: next, to: Math.min(next + blockSeeds, end), planted };
        next = block.to;
        const result = await ask(child, block);
        done += result.seeds;
        add(totals, result.totals);
        if (result.failed && result.failed.seed < (failed?.seed ?? Number.POSITIVE_INFINITY)) failed = result.failed;
        if (!isText || performance.now() < reportAt) continue;
        reportAt = performance.now() + reportEveryMs;
        process.stdout.write(`${String(done).padStart(7)} of ${seeds}  ${rate()} seeds/s\n`);
      }
    } finally {
      process.off('exit', stop);
      child.kill();
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, Math.ceil(seeds / blockSeeds)) }, work));

  const seconds = (performance.now() - start) / 1000;
  if (!isText) {
    process.stdout.write(
      `${JSON.stringify({ from, seeds: done, seconds, seedsPerSecond: Number(rate()), failed, ...totals }, null, 2)}\n`,
    );
    return failed ? 1 : 0;
  }
  const { operations, watchItems, revisions, virtualMs, counts } = totals;
  process.stdout.write(
    `${done} seeds in ${seconds.toFixed(1)} s, ${rate()} a second: ${operations} operations, ${revisions} revisions, ${watchItems} events and bookmarks, ${(virtualMs / 3_600_000).toFixed(1)} hours of their own time\n`,
  );
  const happened = Object.entries(counts).sort(([, a], [, b]) => b - a);
  process.stdout.write(`${happened.map(([what, times]) => `${times} × ${what}`).join(', ')}\n`);
  if (!failed) {
    process.stdout.write(`${good('all consistent')}\n`);
    return 0;
  }
  process.stdout.write(`\n${bad(`seed ${failed.seed} is NOT consistent`)}\n`);
  for (const { what, detail } of failed.violations.slice(0, violationsShown)) {
    process.stdout.write(`\n${bad(what)}\n${detail}\n`);
  }
  if (failed.violations.length > violationsShown) {
    process.stdout.write(`\nand ${failed.violations.length - violationsShown} more\n`);
  }
  const replay = `node test/sim/run.ts --seed ${failed.seed}${planted ? ` --planted '${planted}'` : ''}`;
  process.stdout.write(`\nsee it again:        ${replay} --trace\nonly what matters:   ${replay} --shrink\n`);
  return 1;
}

const reportEveryMs = 5_000;
const violationsShown = 3;

function ask(child: ChildProcess, block: Block & { planted: string | undefined }): Promise<BlockResult> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a process ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message as BlockResult);
    });
    child.send(block);
  });
}

/** In a child process. */
function serveBlocks(): void {
  process.on('message', async ({ from, to, planted }: Block & { planted?: string }) => {
    const totals: Totals = { operations: 0, watchItems: 0, revisions: 0, steps: 0, virtualMs: 0, counts: {} };
    let seed = from;
    let failed: BlockResult['failed'];
    for (; seed < to && !failed; seed++) {
      const result = await runSeed(seed, planted ? { sabotage: plantedBugs[planted]!() } : {});
      add(totals, result);
      if (result.violations.length > 0) failed = { seed, violations: result.violations };
    }
    process.send!({ seeds: seed - from, failed, totals } satisfies BlockResult);
  });
}

function add(totals: Totals, more: Totals): void {
  totals.operations += more.operations;
  totals.watchItems += more.watchItems;
  totals.revisions += more.revisions;
  totals.steps += more.steps;
  totals.virtualMs += more.virtualMs;
  for (const [what, times] of Object.entries(more.counts)) totals.counts[what] = (totals.counts[what] ?? 0) + times;
}

const isTerminal = process.stdout.isTTY === true;
const good = (text: string) => (isTerminal ? styleText('green', text) : text);
const bad = (text: string) => (isTerminal ? styleText('red', text) : text);

if (process.send) serveBlocks();
else await main();
