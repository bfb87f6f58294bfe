/**
 * `evenkeel alerts`: the alert rules, asked without a Prometheus. Exit status 0: none fires; 1: one fires; 2: it cannot
 * be told.
 */
import { existsSync, readFileSync } from 'node:fs';
import { OperatorError } from '#base/errors.ts';
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { type Look, type LookOptions, look } from '#checks/alerts/look.ts';
import { alertRules } from '#checks/alerts/rules.ts';
import { alertsReport, changeLine } from '#cli/alerts-report.ts';
import { type Style, styleFor } from '#cli/style.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import type { ScrapeTarget } from '#client/scrape.ts';
import { dataDirAt, readState } from '#controlplane/data-dir.ts';
import { type ScrapeJob, scrapeJobsOf } from '#controlplane/scrape-jobs.ts';
import { realClock } from '#os/real-clock.ts';
import { dataDirFlag, dataDirOf } from './local.ts';
import { runProcess } from './process.ts';
import { ruleFlags, ruleOptionsOf } from './rule-flags.ts';

export const flags: readonly FlagSpec[] = [
  dataDirFlag,
  {
    name: 'kubeconfig',
    kind: 'string',
    description: 'ask only the API server of this file, and what it tells of the schedulers',
  },
  {
    name: 'window',
    kind: 'duration',
    description: 'look for so long; rates are over it, and no condition has to hold longer',
    default: '15s',
    min: 2000,
    max: 3_600_000,
  },
  { name: 'output', kind: 'string', description: 'text or json', default: 'text', shorthand: 'o' },
  { name: 'watch', kind: 'bool', description: 'go on until Ctrl-C, and tell every change', shorthand: 'w' },
  ...ruleFlags,
];

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async (signal) => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) return void process.stdout.write(usage(name));
    if (parsed.positional.length > 0) throw new UsageError(`unexpected argument "${parsed.positional[0]}": see --help`);
    const output = parsed.string('output');
    if (output !== 'text' && output !== 'json') throw new UsageError(`--output takes text or json, not ${output}`);
    if (parsed.has('data-dir') && parsed.has('kubeconfig')) throw new UsageError('give --data-dir or --kubeconfig');
    const last = await observe(await optionsOf(parsed), output, parsed.bool('watch'), signal);
    process.exit(last === undefined ? 130 : statusOf(last));
  });
}

function statusOf({ findings, untold }: Look): number {
  if (findings.some((f) => f.state === 'firing')) return 1;
  return untold.length > 0 ? 2 : 0;
}

async function observe(
  options: LookOptions,
  output: 'text' | 'json',
  isWatching: boolean,
  signal: AbortSignal,
): Promise<Look | undefined> {
  const style = styleFor(process.stdout, process.env);
  if (output === 'text' && process.stderr.isTTY) {
    process.stderr.write(`looking at ${options.targets.length} targets for ${options.windowMs / 1000} s …\n`);
  }
  let last: Look | undefined;
  for await (const seen of look(options, signal)) {
    if (output === 'json') process.stdout.write(`${JSON.stringify(seen, null, isWatching ? 0 : 2)}\n`);
    else if (!last) process.stdout.write(alertsReport(seen, style));
    else for (const line of changes(last, seen, style)) process.stdout.write(`${line}\n`);
    last = seen;
    if (!isWatching) break;
  }
  return last;
}

function changes(before: Look, now: Look, style: Style): string[] {
  const time = new Date(now.at).toTimeString().slice(0, 8);
  const keyed = ({ findings }: Look) => new Map(findings.map((f) => [`${f.alert} ${JSON.stringify(f.labels)}`, f]));
  const [old, current] = [keyed(before), keyed(now)];
  const lines: string[] = [];
  for (const [key, { state, alert, description }] of current) {
    if (old.get(key)?.state === state) continue;
    const line = changeLine(time, state, alert, description);
    lines.push(state === 'firing' ? style.red(line) : line);
  }
  for (const [key, { alert, summary }] of old) {
    if (!current.has(key)) lines.push(style.green(changeLine(time, 'ended', alert, summary)));
  }
  return lines;
}

async function optionsOf(parsed: ParsedFlags): Promise<LookOptions> {
  try {
    const windowMs = parsed.durationMs('window');
    const ofUnknown = ruleOptionsOf(parsed, undefined);
    const file = parsed.string('kubeconfig');
    if (file !== '') {
      const { server, ca, cert, key, token, serverName, insecureSkipVerify } = await loadKubeconfig(file, realClock);
      const tls = {
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
        ...(serverName && { servername: serverName }),
        ...(insecureSkipVerify && { rejectUnauthorized: false }),
      };
      const target: ScrapeTarget = {
        job: 'apiserver',
        instance: new URL(server).host,
        url: `${server}/metrics`,
        tls,
        ...(token && { token }),
      };
      const rules = alertRules(ofUnknown);
      return { targets: [target], rules, windowMs, takesFederated: true, clock: realClock };
    }
    const dir = dataDirAt(dataDirOf(parsed));
    const spec = readState(dir);
    if (!spec) {
      throw new OperatorError(
        `there is no control plane in ${dir.path}: start one with evenkeel up, or give --data-dir or --kubeconfig`,
      );
    }
    return {
      targets: scrapeJobsOf(spec, dir).flatMap(targetsOf),
      rules: alertRules(ruleOptionsOf(parsed, spec)),
      windowMs,
      takesFederated: false,
      clock: realClock,
    };
  } catch (error) {
    // Status 1 would say that an alert fires.
    if (error instanceof OperatorError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

function targetsOf({ job, scheme, targets, tls }: ScrapeJob): ScrapeTarget[] {
  const read = (path: string) => {
    if (!existsSync(path)) throw new OperatorError(`${path} is not there: evenkeel certs makes it`);
    return readFileSync(path, 'utf8');
  };
  const pems = tls && { ca: read(tls.caFile), cert: read(tls.certFile), key: read(tls.keyFile) };
  return targets.map(({ instance, address }) => ({
    job,
    instance,
    url: `${scheme}://${address}/metrics`,
    ...(pems && { tls: pems }),
  }));
}

function usage(name: string): string {
  return `Which alerts fire: the rules of evenkeel render prometheus, asked without a Prometheus. Every
component is scraped some times within the window. Rates are over that window, however long the
rule's own is; rules about hours and days are left to a Prometheus.

Exit status: 0 none fires, 1 one fires, 2 it cannot be told.

Usage:
  ${name} [flags]

Examples:
  ${name}
  ${name} --window 5m --output json | jq '.findings[].alert'
  ${name} --kubeconfig ~/.kube/config
  ${name} --watch --window 10s

Flags:
${formatFlags(flags)}
`;
}
