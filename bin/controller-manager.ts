/** `evenkeel controller-manager`, `kube-controller-manager`: the controllers, run by the one that leads. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { componentFlags } from '#apis/component-flags.ts';
import controllerFacts from '#apis/facts/controllers.json' with { type: 'json' };
import facts from '#apis/facts/flags/kube-controller-manager.json' with { type: 'json' };
import { messageOf, OperatorError } from '#base/errors.ts';
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger, type Logger } from '#base/log.ts';
import { runAll } from '#base/runnable.ts';
import { createComponentServer } from '#client/component-server.ts';
import { type ClientConfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { createLeaderElector, type LeaderElector } from '#client/leader-election.ts';
import { createClient } from '#client/rest.ts';
import { serviceAccountClient } from '#client/service-account.ts';
import { servingCertificate } from '#client/serving-certificate.ts';
import { runControllers, selectControllers } from '#controllers/manager.ts';
import { realClock } from '#os/real-clock.ts';
import { runProcess } from './process.ts';

const component = 'kube-controller-manager';

const flags: FlagSpec[] = [
  ...componentFlags(facts.flags, {
    kubeconfig: 'how to reach the API server, and as whom',
    master: 'URL of the API server, in place of the one in --kubeconfig',
    controllers: 'which controllers run: * all, name also that one, -name not that one',
    'bind-address': 'IP address of the HTTPS port of /healthz and /metrics',
    'secure-port': 'the HTTPS port; 0: none',
    'cert-dir': 'directory of a self-signed certificate, made when missing',
    'tls-cert-file': 'certificate of the HTTPS port',
    'tls-private-key-file': 'key of --tls-cert-file',
    'client-ca-file': 'who may read /metrics shows a client certificate of this authority',
    'leader-elect': 'stand in an election before running the controllers',
    'leader-elect-lease-duration': 'how long others wait for a silent leader',
    'leader-elect-renew-deadline': 'how long a leader tries to renew before it stops',
    'leader-elect-retry-period': 'time between tries',
    'leader-elect-resource-name': 'name of the Lease',
    'leader-elect-resource-namespace': 'namespace of the Lease',
    'node-monitor-grace-period': 'how long a node may be silent before it counts as unreachable',
    'node-monitor-period': 'time between looks at the nodes',
    'use-service-account-credentials': 'each controller writes as a service account of its own',
    'root-ca-file': 'authority published to every namespace as kube-root-ca.crt',
    'concurrent-deployment-syncs': 'objects a controller works on at once',
    v: 'log verbosity; 4 and more: debug',
    version: 'print the version and exit',
  }),
  { name: 'node-name', kind: 'string', description: 'start of the identity in the election; default: the host name' },
];

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async (signal) => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) return void process.stdout.write(usage(name));
    const log = createLogger(component, parsed.int('v') >= 4 ? 'debug' : 'info');
    for (const warning of parsed.warnings) log.warn({}, warning);
    await run(parsed, log, signal);
  });
}

async function run(parsed: ParsedFlags, log: Logger, signal: AbortSignal): Promise<void> {
  const kubeconfig = parsed.string('kubeconfig');
  const master = parsed.string('master');
  if (!kubeconfig && !master) throw new UsageError('no API server: give --kubeconfig FILE (or --master URL)');
  const known = new Set(
    controllerFacts.controllers.flatMap((c: { name: string; aliases?: string[] }) => [c.name, ...(c.aliases ?? [])]),
  );
  const controllers = selectControllers(parsed.strings('controllers'), known);
  const config = kubeconfig ? await loadKubeconfig(kubeconfig) : { server: master };
  const connect = (purpose: string, timeoutMs?: number) =>
    createClient(master ? { ...config, server: master } : config, {
      clock: realClock,
      log,
      userAgent: `${component}/${purpose}`,
      ...(timeoutMs ? { timeoutMs } : {}),
    });
  const rootCaFile = parsed.string('root-ca-file');
  const rootCaPem = rootCaFile ? await readText('--root-ca-file', rootCaFile) : undefined;
  const client = connect('controllers');
  const anonymous = createClient(withoutCredentials(master ? { ...config, server: master } : config), {
    clock: realClock,
    log,
    userAgent: component,
  });
  const work = (termSignal: AbortSignal) =>
    runControllers(
      {
        client,
        clientFor: parsed.bool('use-service-account-credentials')
          ? (account) => serviceAccountClient(account, { issuer: client, anonymous, component, clock: realClock })
          : () => client,
        controllers,
        options: {
          ...(rootCaPem ? { rootCaPem } : {}),
          nodeMonitorGracePeriodMs: parsed.durationMs('node-monitor-grace-period'),
          nodeMonitorPeriodMs: parsed.durationMs('node-monitor-period'),
          concurrentSyncs: parsed.int('concurrent-deployment-syncs'),
        },
        clock: realClock,
        random: Math.random,
        log,
      },
      termSignal,
    );
  const identity = `${parsed.string('node-name') || hostname()}_${randomUUID()}`;
  const elector = parsed.bool('leader-elect') ? electorFor(parsed, connect, identity, work, log) : undefined;
  const main = elector ?? { name: 'controllers', run: work };
  const server = await serverFor(parsed, identity, elector);
  try {
    await runAll(server ? [server, main] : [main], signal);
  } finally {
    anonymous.close();
    client.close();
  }
}

function withoutCredentials({ cert: _, key: __, token: ___, ...rest }: ClientConfig): ClientConfig {
  return rest;
}

function electorFor(
  parsed: ParsedFlags,
  connect: (purpose: string, timeoutMs?: number) => ReturnType<typeof createClient>,
  identity: string,
  work: (signal: AbortSignal) => Promise<void>,
  log: Logger,
): LeaderElector {
  const renewDeadlineMs = parsed.durationMs('leader-elect-renew-deadline');
  return createLeaderElector({
    client: connect('leader-election', renewDeadlineMs / 2),
    namespace: parsed.string('leader-elect-resource-namespace'),
    name: parsed.string('leader-elect-resource-name'),
    identity,
    leaseDurationMs: parsed.durationMs('leader-elect-lease-duration'),
    renewDeadlineMs,
    retryPeriodMs: parsed.durationMs('leader-elect-retry-period'),
    releaseOnCancel: true,
    onStartedLeading: work,
    onNewLeader: (leader) => log.info({ leader }, 'new leader'),
    clock: realClock,
    random: Math.random,
    log,
  });
}

async function serverFor(parsed: ParsedFlags, identity: string, elector: LeaderElector | undefined) {
  const port = parsed.int('secure-port');
  if (port === 0) return undefined;
  const certFile = parsed.string('tls-cert-file');
  const keyFile = parsed.string('tls-private-key-file');
  const certDir = parsed.string('cert-dir');
  const clientCaFile = parsed.string('client-ca-file');
  const certificate = await servingCertificate({
    ...(certFile ? { certFile } : {}),
    ...(keyFile ? { keyFile } : {}),
    ...(certDir ? { certDir } : {}),
    name: component,
    hosts: [hostname(), parsed.string('bind-address')],
    clock: realClock,
  });
  return createComponentServer({
    bindAddress: parsed.string('bind-address'),
    port,
    ...certificate,
    ...(clientCaFile ? { clientCa: await readText('--client-ca-file', clientCaFile) } : {}),
    checks: {},
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: metrics(identity, elector) }),
  });
}

function metrics(identity: string, elector: LeaderElector | undefined): string {
  const master = elector ? (elector.isLeader() ? 1 : 0) : 1;
  return (
    '# HELP leader_election_master_status Whether this process leads.\n# TYPE leader_election_master_status gauge\n' +
    `leader_election_master_status{name=${JSON.stringify(component)}} ${master}\n` +
    `# HELP evenkeel_process_info Who this is in the election.\n# TYPE evenkeel_process_info gauge\nevenkeel_process_info{identity=${JSON.stringify(identity)}} 1\n`
  );
}

async function readText(flag: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new OperatorError(`cannot read ${flag} ${file}: ${messageOf(cause)}`, { cause });
  }
}

function usage(name: string): string {
  return `Runs the controllers: in one process at a time, elected by a Lease.

Usage:
  ${name} --kubeconfig FILE [flags]

Examples:
  ${name} --kubeconfig /etc/kubernetes/controller-manager.conf --root-ca-file /etc/kubernetes/pki/ca.crt
  ${name} --kubeconfig admin.conf --leader-elect=false --controllers '*,-node-lifecycle-controller'

Flags:
${formatFlags(flags)}
`;
}
