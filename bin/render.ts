/** `evenkeel render prometheus`: scrape configuration, alert rules and a dashboard, for a Prometheus and a Grafana. */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OperatorError } from '#base/errors.ts';
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { ruleFileOf } from '#checks/alerts/alert-rule.ts';
import { dashboardOf } from '#checks/alerts/dashboard.ts';
import { durationText } from '#checks/alerts/expression.ts';
import { alertRules } from '#checks/alerts/rules.ts';
import { scrapeConfigurationOf } from '#checks/alerts/scrape-configuration.ts';
import { dataDirAt, readState, writeAtomically } from '#controlplane/data-dir.ts';
import { scrapeJobsOf } from '#controlplane/scrape-jobs.ts';
import { dataDirFlag, dataDirOf } from './local.ts';
import { runProcess } from './process.ts';
import { ruleFlags, ruleOptionsOf } from './rule-flags.ts';

export const words = ['prometheus'];
export const flags: readonly FlagSpec[] = [
  dataDirFlag,
  { name: 'output-dir', kind: 'string', description: 'where the files go; without it they are printed' },
  { name: 'grafana', kind: 'bool', description: 'a dashboard for Grafana too' },
  { name: 'force', kind: 'bool', description: 'write over files that are there' },
  {
    name: 'scrape-interval',
    kind: 'duration',
    description: 'between two scrapes, and two evaluations of the rules',
    default: '15s',
    min: 1000,
  },
  {
    name: 'window',
    kind: 'duration',
    description: 'rates are taken over this, burn rates aside; four scrapes or more',
    default: '5m',
    min: 4000,
  },
  {
    name: 'for',
    kind: 'duration',
    description: 'no alert waits longer than this (default: as each rule says)',
    min: 0,
  },
  {
    name: 'token-file',
    kind: 'string',
    description: 'scrape with the bearer token in this file, not with certificates',
  },
  ...ruleFlags,
];

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async () => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help || argv.length === 0) return void process.stdout.write(usage(name));
    const [what, ...others] = parsed.positional;
    if (what !== 'prometheus' || others.length > 0) throw new UsageError('give what to render: prometheus; see --help');
    const rendered = await filesOf(parsed);
    const outputDir = parsed.string('output-dir');
    if (outputDir === '') print(rendered);
    else write(rendered, resolve(outputDir), parsed.bool('force'));
  });
}

type Rendered = [file: string, text: string][];

async function filesOf(parsed: ParsedFlags): Promise<Rendered> {
  const [intervalMs, windowMs] = [parsed.durationMs('scrape-interval'), parsed.durationMs('window')];
  if (windowMs < 4 * intervalMs) {
    throw new UsageError('--window must be four times --scrape-interval or more: a rate needs some samples');
  }
  const dir = dataDirAt(dataDirOf(parsed));
  const spec = readState(dir);
  if (!spec) {
    throw new OperatorError(`${dir.path} holds no control plane: give another --data-dir, or run evenkeel up`);
  }
  const jobs = scrapeJobsOf(spec, dir);
  const tokenFile = parsed.string('token-file');
  assertFilesThere(
    tokenFile ? [resolve(tokenFile)] : jobs.flatMap(({ tls }) => (tls ? [tls.certFile, tls.keyFile, tls.caFile] : [])),
  );
  const rules = alertRules({
    ...ruleOptionsOf(parsed, spec),
    windowMs,
    forMaxMs: parsed.has('for') ? parsed.durationMs('for') : undefined,
  });
  const { stringify } = await import('yaml');
  const yaml = (value: object) => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
  const configuration = scrapeConfigurationOf({
    jobs,
    scrapeIntervalText: durationText(intervalMs),
    ruleFiles: ['evenkeel-rules.yml'],
    ...(tokenFile ? { tokenFile: resolve(tokenFile) } : {}),
  });
  return [
    ['prometheus.yml', yaml(configuration)],
    ['evenkeel-rules.yml', yaml(ruleFileOf(rules))],
    ...(parsed.bool('grafana')
      ? [['evenkeel-dashboard.json', `${JSON.stringify(dashboardOf(rules), null, 2)}\n`] as [string, string]]
      : []),
  ];
}

function assertFilesThere(files: readonly string[]): void {
  const missing = files.find((file) => !existsSync(file));
  if (missing?.includes('monitoring')) {
    throw new OperatorError(`${missing} is not there yet: evenkeel certs makes it`);
  }
  if (missing) throw new OperatorError(`${missing} is not there: check --data-dir and --token-file`);
}

function print(rendered: Rendered): void {
  for (const [file, text] of rendered)
    process.stdout.write(`${file.endsWith('.json') ? '' : `---\n# ${file}\n`}${text}`);
}

function write(rendered: Rendered, directory: string, force: boolean): void {
  const there = rendered.map(([file]) => join(directory, file)).filter((path) => existsSync(path));
  if (there.length > 0 && !force) {
    throw new OperatorError(`${there.join(', ')} exists: give --force to write over it, or another --output-dir`);
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [file, text] of rendered) {
    writeAtomically(join(directory, file), text);
    process.stdout.write(`${join(directory, file)}\n`);
  }
}

function usage(name: string): string {
  return `Write what a Prometheus needs to watch a control plane: whom to scrape and how, and when to alert.
Files are for their owner alone, for they name private keys; none is written over without --force.

Usage:
  ${name} prometheus [flags]

Examples:
  ${name} prometheus
  ${name} prometheus --output-dir /tmp/monitoring --grafana
  prometheus --config.file=/tmp/monitoring/prometheus.yml
  ${name} prometheus --latency 500ms --apiservers-min 2 --output-dir /tmp/strict

Flags:
${formatFlags(flags)}
`;
}
