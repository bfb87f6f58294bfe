/** `evenkeel kubelet`: static pods as processes, and simulated nodes. */
import { statSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import { formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger, type Logger, type LogLevel } from '#base/log.ts';
import { ownMetrics } from '#base/own-metrics.ts';
import { type Runnable, runAll } from '#base/runnable.ts';
import type { ApiClient } from '#client/client.ts';
import { kubeletFlags, parseBytes } from '#kubelet/flags.ts';
import { healthzServer } from '#kubelet/healthz.ts';
import { type KubeletOptions, runKubelet } from '#kubelet/kubelet.ts';
import { hostCapacity, parseTaint, type Taint } from '#kubelet/node/node-object.ts';
import { realClock } from '#os/real-clock.ts';
import { runProcess } from './process.ts';

export const flags = kubeletFlags;

const logLevels: ReadonlySet<string> = new Set(['debug', 'info', 'warn', 'error', 'silent']);

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async (signal) => {
    const flags = parseFlags(kubeletFlags, argv);
    if (flags.help) return void process.stdout.write(usage(name));
    if (flags.positional.length > 0) throw new UsageError(`unexpected argument "${flags.positional[0]}"; see --help`);
    process.umask(0o022);
    const nodeName = (flags.string('hostname-override') || hostname()).toLowerCase();
    const logLevel = flags.string('log-level');
    if (!logLevels.has(logLevel)) {
      throw new UsageError(`invalid value "${logLevel}" for --log-level: give ${[...logLevels].join(', ')}`);
    }
    if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(nodeName)) {
      throw new UsageError(
        `"${nodeName}" is no name of a node: give lower-case letters, digits, "-" and "." with --hostname-override`,
      );
    }
    const log = createLogger('kubelet', logLevel as LogLevel);
    for (const warning of flags.warnings) log.warn({}, warning);
    const manifests = flags.string('pod-manifest-path');
    if (manifests && !(statSync(manifests, { throwIfNoEntry: false })?.isDirectory() ?? true)) {
      throw new UsageError(`--pod-manifest-path ${manifests} is no directory: give the directory of the manifests`);
    }
    const isSimulatedOnly = flags.int('simulated-nodes') > 0 && !flags.has('pod-manifest-path');
    if (isSimulatedOnly) return runSimulatedNodes(flags, log, signal);
    await runKubelet(await kubeletOptions(flags, nodeName, log.child({ node: nodeName })), signal);
  });
}

async function kubeletOptions(flags: ParsedFlags, nodeName: string, log: Logger): Promise<KubeletOptions> {
  const nodeIP = flags.string('node-ip') || hostAddress();
  const taints = taintsOf(flags);
  const client = flags.string('kubeconfig') === '' ? undefined : await connect(flags, log);
  const common = {
    statusUpdateMs: flags.durationMs('node-status-update-frequency'),
    clock: realClock,
    random: Math.random,
  };
  const reporter = client && (await import('#kubelet/node/api-reporter.ts'));
  const node = {
    name: nodeName,
    ip: nodeIP,
    labels: Object.fromEntries(flags.map('node-labels')),
    taints,
    capacity: hostCapacity(flags.int('max-pods')),
  };
  const simulated = await simulatedParts(flags, log);
  return {
    nodeName,
    nodeIP,
    rootDir: flags.string('root-dir'),
    manifestDir: flags.string('pod-manifest-path') && resolve(flags.string('pod-manifest-path')),
    backOff: {
      initialMs: flags.durationMs('restart-backoff-initial'),
      maxMs: flags.durationMs('restart-backoff-max'),
      resetAfterMs: flags.durationMs('restart-backoff-reset'),
    },
    stopPodsOnExit: flags.bool('stop-pods-on-exit'),
    healthz: healthzOf(flags),
    logs: { maxBytes: logBytes(flags), maxFiles: Math.max(1, flags.int('container-log-max-files')) },
    clock: realClock,
    log,
    ...(client && reporter
      ? {
          withApi(staticPods) {
            const register = flags.bool('register-node');
            const api = reporter.apiReporter({ client, node, staticPods, register, log, ...common });
            return { ...api, parts: [...simulated, ...api.parts] };
          },
        }
      : {}),
  };
}

async function runSimulatedNodes(flags: ParsedFlags, log: Logger, signal: AbortSignal): Promise<void> {
  const healthz = flags.has('healthz-port') || flags.has('port') ? healthzOf(flags) : { host: '', port: 0 };
  const parts = await simulatedParts(flags, log);
  await runAll(
    [...(healthz.port === 0 ? [] : [healthzServer(healthz.host, healthz.port, ownMetrics(realClock))]), ...parts],
    signal,
  );
}

async function simulatedParts(flags: ParsedFlags, log: Logger): Promise<Runnable[]> {
  const count = flags.int('simulated-nodes');
  if (count === 0) return [];
  const { simulatedNodes, simulatedNodesMax } = await import('#kubelet/simulated/simulated-nodes.ts');
  if (count < 0 || count > simulatedNodesMax) {
    throw new UsageError(`invalid value "${count}" for --simulated-nodes: give 0 to ${simulatedNodesMax}`);
  }
  if (flags.string('kubeconfig') === '') throw new UsageError('--simulated-nodes needs --kubeconfig');
  const nodes = simulatedNodes({
    client: await connect(flags, log),
    count,
    prefix: flags.string('simulated-node-prefix'),
    labels: flags.has('pod-manifest-path') ? {} : Object.fromEntries(flags.map('node-labels')),
    taints: flags.has('pod-manifest-path') ? [] : taintsOf(flags),
    maxPods: flags.int('max-pods'),
    statusUpdateMs: flags.durationMs('node-status-update-frequency'),
    clock: realClock,
    random: Math.random,
    log,
  });
  return [nodes];
}

async function connect(flags: ParsedFlags, log: Logger): Promise<ApiClient> {
  const [{ loadKubeconfig }, { createClient }] = await Promise.all([
    import('#client/kubeconfig.ts'),
    import('#client/rest.ts'),
  ]);
  const config = await loadKubeconfig(flags.string('kubeconfig'), realClock);
  return createClient(config, { clock: realClock, log, userAgent: 'kubelet/evenkeel', timeoutMs: 10_000 });
}

function taintsOf(flags: ParsedFlags): Taint[] {
  return flags.strings('register-with-taints').map((text) => {
    const taint = parseTaint(text);
    if (!taint) throw new UsageError(`invalid value "${text}" for --register-with-taints: give key=value:NoSchedule`);
    return taint;
  });
}

function healthzOf(flags: ParsedFlags): { host: string; port: number } {
  const port = flags.int(flags.has('port') ? 'port' : 'healthz-port');
  return { host: flags.string('healthz-bind-address'), port };
}

function logBytes(flags: ParsedFlags): number {
  const text = flags.string('container-log-max-size');
  const bytes = parseBytes(text);
  if (bytes === undefined) throw new UsageError(`invalid value "${text}" for --container-log-max-size: such as 10Mi`);
  return bytes;
}

function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find((a) => a.family === 'IPv4' && !a.internal)?.address ?? '127.0.0.1';
}

function usage(name: string): string {
  return `Runs the static pods of a directory as processes of this host, restarts and probes them,
and reports them and the node to an API server when it is given one.

Usage:
  ${name} --pod-manifest-path DIR [flags]

Examples:
  # run what the manifests describe, without any API server
  ${name} --pod-manifest-path ./manifests --root-dir ./state

  # the same as a node of a cluster
  ${name} --pod-manifest-path ./manifests --root-dir ./state \\
    --kubeconfig kubelet.conf --hostname-override master1

  # a thousand nodes that only pretend
  ${name} --kubeconfig kubelet.conf --simulated-nodes 1000 --root-dir ./simulated

Flags:
${formatFlags(kubeletFlags)}
`;
}
