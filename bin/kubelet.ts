/** `evenkeel kubelet`: static pods as processes, and simulated nodes. */
import { hostname, networkInterfaces } from 'node:os';
import { formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger, type LogLevel } from '#base/log.ts';
import { kubeletFlags, parseBytes } from '#kubelet/flags.ts';
import { runKubelet } from '#kubelet/kubelet.ts';
import { realClock } from '#os/real-clock.ts';
import { runProcess } from './process.ts';

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async (signal) => {
    const flags = parseFlags(kubeletFlags, argv);
    if (flags.help) return void process.stdout.write(usage(name));
    if (flags.positional.length > 0) throw new UsageError(`unexpected argument "${flags.positional[0]}"; see --help`);
    process.umask(0o022);
    const nodeName = (flags.string('hostname-override') || hostname()).toLowerCase();
    const log = createLogger('kubelet', flags.string('log-level') as LogLevel).child({ node: nodeName });
    for (const warning of flags.warnings) log.warn({}, warning);
    await runKubelet(
      {
        nodeName,
        nodeIP: flags.string('node-ip') || hostAddress(),
        rootDir: flags.string('root-dir'),
        manifestDir: flags.string('pod-manifest-path'),
        backOff: {
          initialMs: flags.durationMs('restart-backoff-initial'),
          maxMs: flags.durationMs('restart-backoff-max'),
          resetAfterMs: flags.durationMs('restart-backoff-reset'),
        },
        stopPodsOnExit: flags.bool('stop-pods-on-exit'),
        healthz: {
          host: flags.string('healthz-bind-address'),
          port: flags.int(flags.has('port') ? 'port' : 'healthz-port'),
        },
        logs: { maxBytes: logBytes(flags), maxFiles: Math.max(1, flags.int('container-log-max-files')) },
        clock: realClock,
        log,
      },
      signal,
    );
  });
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
  return `Runs the static pods of a directory as processes of this host, restarts and probes them, and reports them
and the node to an API server when it is given one.

Usage:
  ${name} --pod-manifest-path DIR [flags]

Examples:
  # run what the manifests describe, without any API server
  ${name} --pod-manifest-path ./manifests --root-dir ./state

  # the same as a node of a cluster
  ${name} --pod-manifest-path ./manifests --root-dir ./state --kubeconfig kubelet.conf --hostname-override master1

  # a thousand nodes that only pretend
  ${name} --kubeconfig kubelet.conf --simulated-nodes 1000 --root-dir ./simulated

Flags:
${formatFlags(kubeletFlags)}
`;
}
