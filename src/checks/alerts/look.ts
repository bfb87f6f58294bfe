/**
 * Looks at a control plane for a while, without a Prometheus: scrapes its components some times, and evaluates the rules
 * after each. What is kept in memory is one window of samples; what is lost with the process is that.
 */
import { type Clock, sleep } from '#base/clock.ts';
import { createScraper, type Scrape, type Scraper, type ScrapeTarget } from '#client/scrape.ts';
import type { AlertRule } from './alert-rule.ts';
import { AlertStates, type Finding } from './alert-states.ts';
import { type Selector, selectorsOf, shortestWindowOf } from './expression.ts';
import { Samples } from './samples.ts';
import { shownByOthers } from './scrape-configuration.ts';

export interface LookOptions {
  targets: readonly ScrapeTarget[];
  rules: readonly AlertRule[];
  windowMs: number;
  /** The API servers' word for the schedulers: they are not asked themselves. */
  takesFederated: boolean;
  clock: Clock;
}

export interface Look {
  at: number;
  /** What the rates are taken over. */
  windowMs: number;
  findings: Finding[];
  /** Rules that would need what could not be read. */
  untold: { alert: string; why: string }[];
  /** Rules that need more than a look: days of samples, or components out of reach. */
  skipped: { alert: string; why: string }[];
  rules: number;
  targets: { job: string; instance: string; state: Scrape['state']; why?: string }[];
}

const scrapesPerWindow = 5;
const intervalMinMs = 1_000;
/** A rule whose windows are all longer would be another rule when asked about seconds. */
const longWindowMs = 3_600_000;

/** One look after each scrape, from when a window has passed; ends with the signal. */
export async function* look(options: LookOptions, signal: AbortSignal): AsyncGenerator<Look> {
  const { clock, windowMs, targets } = options;
  const intervalMs = Math.min(windowMs, Math.max(intervalMinMs, windowMs / scrapesPerWindow));
  const { rules, skipped } = sorted(options);
  const states = new AlertStates(rules, heldMs(windowMs, intervalMs));
  const samples = new Samples();
  const scrapers = targets.map((target) => createScraper(target, clock));
  try {
    const start = clock.now();
    for (let round = 0; ; round++) {
      await sleep(clock, start + round * intervalMs - clock.now(), signal);
      if (signal.aborted) return;
      const at = clock.now();
      const outcomes = await Promise.all(scrapers.map((scraper) => take(scraper, samples, at, options, signal)));
      if (signal.aborted) return;
      samples.forgetBefore(at - windowMs);
      if (round === 0) continue;
      const seenMs = Math.min(windowMs, at - start);
      const findings = states.evaluate(samples, at, seenMs);
      // The last scrape of the first window comes a little early or late.
      if (at - start < windowMs - intervalMs / 2) continue;
      const untold = untoldOf(rules, outcomes, options);
      const isTold = new Set(untold.map(({ alert }) => alert));
      yield {
        at,
        windowMs: seenMs,
        findings: findings.filter(({ alert }) => !isTold.has(alert)),
        untold,
        skipped,
        rules: rules.length,
        targets: outcomes,
      };
    }
  } finally {
    for (const scraper of scrapers) scraper.close();
  }
}

/** From the second scrape, the first that has rates, to the last; each may come a little early or late. */
const heldMs = (windowMs: number, intervalMs: number) => Math.max(0, windowMs - 1.5 * intervalMs);

type Outcome = Look['targets'][number];

async function take(
  { target, scrape }: Scraper,
  samples: Samples,
  at: number,
  { takesFederated }: LookOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  const { job, instance } = target;
  const outcome = await scrape(signal);
  if (outcome.state !== 'refused') samples.add('up', { job, instance }, at, outcome.state === 'up' ? 1 : 0);
  if (outcome.state === 'up') {
    for (const { name, labels, value } of outcome.samples) {
      const isOthers = job === 'apiserver' && shownByOthers.test(name);
      if (!isOthers) samples.add(name, { ...labels, job, instance }, at, value);
      else if (takesFederated && labels['instance'] !== undefined) {
        const placed = name === 'evenkeel_federation_up' ? 'up' : name;
        samples.add(placed, { ...labels, job: 'kube-scheduler' }, at, value);
      }
    }
  }
  samples.endMissing({ job, instance }, at);
  return { job, instance, state: outcome.state, ...(outcome.state === 'up' ? {} : { why: outcome.why }) };
}

function sorted(options: LookOptions): { rules: AlertRule[]; skipped: Look['skipped'] } {
  const { targets, takesFederated } = options;
  const jobs = new Set([...targets.map((t) => t.job), ...(takesFederated ? ['kube-scheduler'] : [])]);
  const skipped: Look['skipped'] = [];
  const rules = options.rules.filter(({ alert, labels, expression }) => {
    const away = selectorsOf(expression)
      .map(jobOf)
      .find((job) => job !== undefined && !jobs.has(job));
    const windowMs = shortestWindowOf(expression);
    if (away) skipped.push({ alert, why: `${away} is not asked` });
    else if (windowMs !== undefined && windowMs > longWindowMs) {
      skipped.push({ alert: `${alert} over ${labels?.['long'] ?? 'hours'}`, why: 'it takes hours of samples' });
    } else return true;
    return false;
  });
  return { rules, skipped };
}

/** About whom nothing can be said: they run, but do not let us in; or do not run, and the rule is about what they say. */
function untoldOf(rules: readonly AlertRule[], outcomes: readonly Outcome[], options: LookOptions): Look['untold'] {
  return rules.flatMap(({ alert, expression }) => {
    const why = selectorsOf(expression)
      .map((selector) => whyUntold(selector, outcomes, options))
      .find((found) => found !== undefined);
    return why === undefined ? [] : [{ alert, why }];
  });
}

function whyUntold(selector: Selector, all: readonly Outcome[], { takesFederated }: LookOptions): string | undefined {
  const job = jobOf(selector);
  if (job === undefined) return undefined;
  const source = job === 'kube-scheduler' && takesFederated ? 'apiserver' : job;
  const ofJob = all.filter((o) => o.job === source);
  const refused = ofJob.find((o) => o.state === 'refused');
  if (refused && (selector.metric === 'up' || ofJob.every((o) => o.state !== 'up'))) {
    return `${source} at ${refused.instance}: ${refused.why}`;
  }
  const isDown = ofJob.every((o) => o.state === 'down');
  if (!isDown || (selector.metric === 'up' && source === job)) return undefined;
  return `${source} does not answer: ${ofJob[0]?.why ?? 'there is none'}`;
}

function jobOf({ matchers }: Selector): string | undefined {
  return matchers.find((m) => m.label === 'job' && m.operator === '=')?.value;
}
