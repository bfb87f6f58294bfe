/** KubeSchedulerConfiguration files (--config): what of them has a meaning here. */
import { readFile } from 'node:fs/promises';
import facts from '#apis/facts/scheduler.json' with { type: 'json' };
import { messageOf, OperatorError } from '#base/errors.ts';
import { parseDuration } from '#base/flags.ts';

export interface SchedulerConfiguration {
  kubeconfig?: string;
  leaderElection: {
    leaderElect?: boolean;
    leaseDurationMs?: number;
    renewDeadlineMs?: number;
    retryPeriodMs?: number;
    resourceName?: string;
    resourceNamespace?: string;
  };
  podInitialBackoffMs?: number;
  podMaxBackoffMs?: number;
  schedulerName?: string;
  /** One line for each setting that has no effect here. */
  warnings: string[];
}

const inertFields = new Set(['extenders', 'parallelism', 'percentageOfNodesToScore', 'delayCacheUntilActive']);

export async function loadSchedulerConfiguration(path: string): Promise<SchedulerConfiguration> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new OperatorError(`configuration ${path} cannot be read (${messageOf(error)}): check --config`);
  }
  return parseSchedulerConfiguration(text, path);
}

export async function parseSchedulerConfiguration(text: string, path: string): Promise<SchedulerConfiguration> {
  const fail = (what: string): never => {
    throw new OperatorError(`configuration ${path}: ${what}`);
  };
  let file: any;
  try {
    file = (await import('yaml')).parse(text);
  } catch (error) {
    fail(`is not valid YAML (${messageOf(error).split('\n')[0]})`);
  }
  if (file?.kind !== 'KubeSchedulerConfiguration' || !facts.apiVersions.includes(file.apiVersion)) {
    fail(`must be a KubeSchedulerConfiguration of ${facts.apiVersions.join(' or ')}`);
  }
  const known = new Set([...Object.keys(facts.defaultConfiguration), ...inertFields]);
  for (const field of Object.keys(file)) if (!known.has(field)) fail(`unknown field ${JSON.stringify(field)}`);

  const duration = (field: string, value: unknown): number | undefined =>
    value === undefined ? undefined : (parseDuration(String(value)) ?? fail(`${field}: give a duration such as 15s`));
  const seconds = (field: string): number | undefined => {
    const value = file[field];
    if (value === undefined) return undefined;
    return Number.isInteger(value) && value > 0 ? value * 1000 : fail(`${field}: give a whole number of seconds`);
  };
  const { leaderElection = {}, profiles = [] } = file;
  if (profiles.length > 1) fail('has several profiles: one is supported, run another scheduler for the other');
  const warnings = [...inertFields].filter((f) => file[f] !== undefined).map((f) => `${f} has no effect in evenkeel`);
  for (const field of ['plugins', 'pluginConfig']) {
    if (profiles[0]?.[field] !== undefined) warnings.push(`profiles[0].${field} has no effect in evenkeel`);
  }
  return defined({
    kubeconfig: file.clientConnection?.kubeconfig || undefined,
    leaderElection: defined({
      leaderElect: leaderElection.leaderElect,
      leaseDurationMs: duration('leaderElection.leaseDuration', leaderElection.leaseDuration),
      renewDeadlineMs: duration('leaderElection.renewDeadline', leaderElection.renewDeadline),
      retryPeriodMs: duration('leaderElection.retryPeriod', leaderElection.retryPeriod),
      resourceName: leaderElection.resourceName,
      resourceNamespace: leaderElection.resourceNamespace,
    }),
    podInitialBackoffMs: seconds('podInitialBackoffSeconds'),
    podMaxBackoffMs: seconds('podMaxBackoffSeconds'),
    schedulerName: profiles[0]?.schedulerName,
    warnings,
  });
}

/** Without the fields that are undefined. */
function defined<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
