/** `evenkeel controller-manager`, `kube-controller-manager`: the controllers, run by the one that leads. */
import { componentFlags } from '#apis/component-flags.ts';
import controllerFacts from '#apis/facts/controllers.json' with { type: 'json' };
import facts from '#apis/facts/flags/kube-controller-manager.json' with { type: 'json' };
import metricFacts from '#apis/facts/metrics/kube-controller-manager.json' with { type: 'json' };
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger, type Logger } from '#base/log.ts';
import { type Runnable, runAll } from '#base/runnable.ts';
import { ComponentMetrics } from '#client/component-metrics.ts';
import type { ClientConfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest.ts';
import { serviceAccountClient } from '#client/service-account.ts';
import { runControllers, selectControllers } from '#controllers/manager.ts';
import { realClock } from '#os/real-clock.ts';
import {
  clientConfig,
  electedComponentFlags,
  electorFor,
  nodeNameFlag,
  readText,
  serverFor,
} from './elected-component.ts';
import { runProcess } from './process.ts';

const component = 'kube-controller-manager';

export const flags: FlagSpec[] = [
  ...componentFlags(facts.flags, {
    ...electedComponentFlags,
    controllers: 'which controllers run: * all, name also that one, -name not that one',
    'node-monitor-grace-period': 'how long a node may be silent before it counts as unreachable',
    'node-monitor-period': 'time between looks at the nodes',
    'use-service-account-credentials': 'each controller writes as a service account of its own',
    'root-ca-file': 'authority published to every namespace as kube-root-ca.crt',
    'concurrent-deployment-syncs': 'objects a controller works on at once',
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
    for (const warning of parsed.warnings) log.warn({}, warning);
    await run(parsed, log, signal);
  });
}

async function run(parsed: ParsedFlags, log: Logger, signal: AbortSignal): Promise<void> {
  const config = await clientConfig(parsed);
  const names = controllerFacts.controllers.flatMap((c) => [c.name, ...(c.aliases ?? [])]);
  const controllers = selectControllers(parsed.strings('controllers'), new Set(names));
  const connect = (purpose: string, timeoutMs?: number) =>
    createClient(config, {
      clock: realClock,
      log,
      userAgent: `${component}/${purpose}`,
      ...(timeoutMs ? { timeoutMs } : {}),
    });
  const rootCaFile = parsed.string('root-ca-file');
  const rootCaPem = rootCaFile ? await readText('--root-ca-file', rootCaFile) : undefined;
  const client = connect('controllers');
  const anonymous = createClient(withoutCredentials(config), { clock: realClock, log, userAgent: component });
  const work = (term: AbortSignal) =>
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
      term,
    );
  const electing = electorFor(parsed, {}, connect, work, log);
  const metrics = new ComponentMetrics(metricFacts, realClock);
  metrics.leaderElection(component, () => electing?.elector.isLeader() ?? true);
  const server = await serverFor(parsed, component, { metrics: () => metrics.scrape() });
  const parts: Runnable[] = [...(server ? [server] : []), electing?.elector ?? { name: 'controllers', run: work }];
  try {
    await runAll(parts, signal);
  } finally {
    anonymous.close();
    client.close();
    electing?.close();
  }
}

function withoutCredentials({ cert: _, key: __, token: ___, ...rest }: ClientConfig): ClientConfig {
  return rest;
}

function usage(name: string): string {
  return `Runs the controllers: in one process at a time, elected by a Lease.

Usage:
  ${name} --kubeconfig FILE [flags]

Examples:
  ${name} --kubeconfig /etc/kubernetes/controller-manager.conf \\
    --root-ca-file /etc/kubernetes/pki/ca.crt
  ${name} --kubeconfig admin.conf --leader-elect=false \\
    --controllers '*,-node-lifecycle-controller'

Flags:
${formatFlags(flags)}
`;
}
