/** `evenkeel scheduler`, `kube-scheduler`: gives pods their nodes; of several, the one that leads. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { componentFlags } from '#apis/component-flags.ts';
import facts from '#apis/facts/flags/kube-scheduler.json' with { type: 'json' };
import { sleep } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger, type Logger } from '#base/log.ts';
import { type Runnable, runAll } from '#base/runnable.ts';
import { createComponentServer } from '#client/component-server.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import { createInformerFactory } from '#client/informer-factory.ts';
import { type ClientConfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { createLeaderElector, type LeaderElector } from '#client/leader-election.ts';
import { createClient } from '#client/rest.ts';
import { servingCertificate } from '#client/serving-certificate.ts';
import { realClock } from '#os/real-clock.ts';
import { loadSchedulerConfiguration, type SchedulerConfiguration } from '#scheduler/configuration.ts';
import { createScheduler } from '#scheduler/scheduler.ts';
import { SchedulerMetrics } from '#scheduler/scheduler-metrics.ts';
import { runProcess } from './process.ts';

const component = 'kube-scheduler';
/** The last events may take so long to be written; then they are lost. */
const eventsFlushMs = 2_000;

const flags: FlagSpec[] = [
  ...componentFlags(facts.flags, {
    config: 'a KubeSchedulerConfiguration file',
    kubeconfig: 'how to reach the API server, and as whom',
    master: 'URL of the API server, in place of the one in --kubeconfig',
    // Taken and kept silent about: health and metrics need no questions to the API server here.
    'authentication-kubeconfig': 'accepted for compatibility',
    'authorization-kubeconfig': 'accepted for compatibility',
    'bind-address': 'IP address of the HTTPS port of /healthz, /livez, /readyz and /metrics',
    'secure-port': 'the HTTPS port; 0: none',
    'cert-dir': 'directory of a self-signed certificate, made when missing',
    'tls-cert-file': 'certificate of the HTTPS port',
    'tls-private-key-file': 'key of --tls-cert-file',
    'client-ca-file': 'who may read /metrics shows a client certificate of this authority; default: the loopback may',
    'leader-elect': 'stand in an election before scheduling',
    'leader-elect-lease-duration': 'how long others wait for a silent leader',
    'leader-elect-renew-deadline': 'how long a leader tries to renew before it stops',
    'leader-elect-retry-period': 'time between tries',
    'leader-elect-resource-name': 'name of the Lease',
    'leader-elect-resource-namespace': 'namespace of the Lease',
    'pod-max-in-unschedulable-pods-duration': 'a pod that fits nowhere is tried again after this in any case',
    v: 'log verbosity; 4 and more: debug',
    version: 'print the version and exit',
  }),
  {
    name: 'node-name',
    kind: 'string',
    description: 'start of the identity in the election; default: $EVENKEEL_NODE_NAME, else the host name',
  },
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
  const config = await clientConfig(parsed, configuration);
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

  const electing = electorFor(parsed, configuration, connect, (term) => scheduler.run(term), log);
  const isLeader = () => electing?.elector.isLeader() ?? true;
  metrics.leaderElection(component, isLeader);
  metrics.watch({
    pending: () => scheduler.queue.pending,
    cacheSize: () => ({
      nodes: scheduler.cache.nodes.length,
      pods: scheduler.cache.podCount,
      assumed_pods: scheduler.cache.assumedCount,
    }),
  });
  const server = await serverFor(parsed, metrics, () => scheduler.synced);
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

async function clientConfig(parsed: ParsedFlags, configuration: SchedulerConfiguration): Promise<ClientConfig> {
  const kubeconfig = configuration.kubeconfig || parsed.string('kubeconfig');
  const master = parsed.string('master');
  if (!kubeconfig && !master) throw new UsageError('no API server: give --kubeconfig FILE (or --master URL)');
  const config = kubeconfig ? await loadKubeconfig(kubeconfig) : { server: master };
  return master ? { ...config, server: master } : config;
}

/** A flag that was given wins over the file, the file over the default. */
function electorFor(
  parsed: ParsedFlags,
  { leaderElection: file }: SchedulerConfiguration,
  connect: (purpose: string, timeoutMs?: number) => ReturnType<typeof createClient>,
  work: (signal: AbortSignal) => Promise<void>,
  log: Logger,
): { elector: LeaderElector; close(): void } | undefined {
  const pick = <T>(flag: string, ofFile: T | undefined, ofFlag: T): T =>
    parsed.has(flag) ? ofFlag : (ofFile ?? ofFlag);
  const duration = (flag: string, ofFile: number | undefined) => pick(flag, ofFile, parsed.durationMs(flag));
  if (!pick('leader-elect', file.leaderElect, parsed.bool('leader-elect'))) return undefined;
  const renewDeadlineMs = duration('leader-elect-renew-deadline', file.renewDeadlineMs);
  const client = connect('leader-election', renewDeadlineMs / 2);
  const node = parsed.string('node-name') || process.env['EVENKEEL_NODE_NAME'] || hostname();
  const namespaceFlag = 'leader-elect-resource-namespace';
  const nameFlag = 'leader-elect-resource-name';
  const elector = createLeaderElector({
    client,
    namespace: pick(namespaceFlag, file.resourceNamespace, parsed.string(namespaceFlag)),
    name: pick(nameFlag, file.resourceName, parsed.string(nameFlag)),
    identity: `${node}_${randomUUID()}`,
    leaseDurationMs: duration('leader-elect-lease-duration', file.leaseDurationMs),
    renewDeadlineMs,
    retryPeriodMs: duration('leader-elect-retry-period', file.retryPeriodMs),
    releaseOnCancel: true,
    onStartedLeading: work,
    onNewLeader: (leader) => log.info({ leader }, 'new leader'),
    clock: realClock,
    random: Math.random,
    log,
  });
  return { elector, close: () => client.close() };
}

async function serverFor(parsed: ParsedFlags, metrics: SchedulerMetrics, isSynced: () => boolean) {
  const port = parsed.int('secure-port');
  if (port === 0) return undefined;
  const certFile = parsed.string('tls-cert-file');
  const keyFile = parsed.string('tls-private-key-file');
  const certDir = parsed.string('cert-dir');
  const clientCaFile = parsed.string('client-ca-file');
  const certificate = await servingCertificate({
    ...(certFile && { certFile }),
    ...(keyFile && { keyFile }),
    ...(certDir && { certDir }),
    name: component,
    hosts: [hostname(), parsed.string('bind-address')],
    clock: realClock,
  });
  return createComponentServer({
    bindAddress: parsed.string('bind-address'),
    port,
    ...certificate,
    ...(clientCaFile && { clientCa: await readText('--client-ca-file', clientCaFile) }),
    readyChecks: { informers: () => (isSynced() ? undefined : 'not synced yet') },
    metrics: () => metrics.scrape(),
  });
}

async function readText(flag: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new OperatorError(`cannot read ${flag} ${file}: ${messageOf(cause)}`, { cause });
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
