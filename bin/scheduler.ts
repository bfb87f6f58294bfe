/** `evenkeel scheduler`, `kube-scheduler`: gives pods their nodes; of several, the one that leads. */
import { componentFlags } from '#apis/component-flags.ts';
import facts from '#apis/facts/flags/kube-scheduler.json' with { type: 'json' };
import { sleep } from '#base/clock.ts';
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger, type Logger } from '#base/log.ts';
import { type Runnable, runAll } from '#base/runnable.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import { createInformerFactory } from '#client/informer-factory.ts';
import { createClient } from '#client/rest.ts';
import { realClock } from '#os/real-clock.ts';
import { loadSchedulerConfiguration, type SchedulerConfiguration } from '#scheduler/configuration.ts';
import { createScheduler } from '#scheduler/scheduler.ts';
import { SchedulerMetrics } from '#scheduler/scheduler-metrics.ts';
import { clientConfig, electedComponentFlags, electorFor, nodeNameFlag, serverFor } from './elected-component.ts';
import { runProcess } from './process.ts';

const component = 'kube-scheduler';
/** The last events may take so long to be written; then they are lost. */
const eventsFlushMs = 2_000;

export const flags: FlagSpec[] = [
  ...componentFlags(facts.flags, {
    config: 'a KubeSchedulerConfiguration file',
    ...electedComponentFlags,
    'pod-max-in-unschedulable-pods-duration': 'a pod that fits nowhere is tried again after this in any case',
  }),
  nodeNameFlag,
];

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async (signal) => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) return void process.stdout.write(usage(name));
    if (parsed.bool('version')) return void process.stdout.write(`${facts.facts_of.replace(' ', ' v')}\n`);
    if (parsed.positional.length > 0) throw new UsageError(`unexpected argument: ${parsed.positional[0]}; see --help`);
    const log = createLogger(component, parsed.int('v') >= 4 ? 'debug' : 'info');
    const file = parsed.string('config');
    const configuration = file ? await loadSchedulerConfiguration(file) : { leaderElection: {}, warnings: [] };
    for (const warning of [...parsed.warnings, ...configuration.warnings]) log.warn({}, warning);
    await run(parsed, configuration, log, signal);
  });
}

async function run(
  parsed: ParsedFlags,
  configuration: SchedulerConfiguration,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const config = await clientConfig(parsed, configuration.kubeconfig);
  const connect = (purpose: string, timeoutMs?: number) =>
    createClient(config, {
      clock: realClock,
      log,
      userAgent: `${component}/${purpose}`,
      ...(timeoutMs ? { timeoutMs } : {}),
    });
  const schedulerName = configuration.schedulerName ?? 'default-scheduler';
  const client = connect('scheduler');
  const world = { client, clock: realClock, random: Math.random, log };
  const informers = createInformerFactory(world);
  const recorder = createEventRecorder({ ...world, component: schedulerName });
  const metrics = new SchedulerMetrics(realClock, schedulerName);
  const { podInitialBackoffMs, podMaxBackoffMs } = configuration;
  const scheduler = createScheduler({
    ...world,
    informers,
    recorder,
    observer: metrics,
    schedulerName,
    podMaxInUnschedulablePodsMs: parsed.durationMs('pod-max-in-unschedulable-pods-duration'),
    ...(podInitialBackoffMs && { podInitialBackoffMs }),
    ...(podMaxBackoffMs && { podMaxBackoffMs }),
  });

  const electing = electorFor(parsed, configuration.leaderElection, connect, (term) => scheduler.run(term), log);
  const isLeader = () => electing?.elector.isLeader() ?? true;
  metrics.leaderElection(component, isLeader);
  metrics.watch({
    pending: () => scheduler.queue.pending,
    attemptsMax: () => scheduler.queue.attemptsMax,
    cacheSize: () => ({
      nodes: scheduler.cache.nodes.length,
      pods: scheduler.cache.podCount,
      assumed_pods: scheduler.cache.assumedCount,
    }),
  });
  const server = await serverFor(parsed, component, {
    readyChecks: { informers: () => (scheduler.synced ? undefined : 'not synced yet') },
    metrics: () => metrics.scrape(),
  });
  const parts: Runnable[] = [
    ...(server ? [server] : []),
    { name: 'informers', run: (stop) => informers.run(stop) },
    electing?.elector ?? { name: 'scheduler', run: (stop) => scheduler.run(stop) },
  ];
  try {
    await runAll(parts, signal);
    await Promise.race([recorder.flush(), sleep(realClock, eventsFlushMs)]);
  } finally {
    client.close();
    electing?.close();
  }
}

function usage(name: string): string {
  return `Gives every pod a node to run on: in one process at a time, elected by a Lease.

Usage:
  ${name} --kubeconfig FILE [flags]

Examples:
  ${name} --kubeconfig /etc/kubernetes/scheduler.conf
  ${name} --kubeconfig admin.conf --leader-elect=false --secure-port=0

Flags:
${formatFlags(flags)}
`;
}
