/** What the scheduler and the controller manager have in common: flags, a client, an election, a port for probes. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { messageOf, OperatorError } from '#base/errors.ts';
import { type FlagSpec, type ParsedFlags, UsageError } from '#base/flags.ts';
import type { Logger } from '#base/log.ts';
import { ownMetrics } from '#base/own-metrics.ts';
import { servingCertificate } from '#base/serving-certificate.ts';
import { type ComponentServer, type ComponentServerOptions, createComponentServer } from '#client/component-server.ts';
import { type ClientConfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { createLeaderElector, type LeaderElector } from '#client/leader-election.ts';
import type { createClient } from '#client/rest.ts';
import { realClock } from '#os/real-clock.ts';

/** Upstream's flags that both have, and what --help says of them. */
export const electedComponentFlags = {
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
  'leader-elect': 'stand in an election before working',
  'leader-elect-lease-duration': 'how long others wait for a silent leader',
  'leader-elect-renew-deadline': 'how long a leader tries to renew before it stops',
  'leader-elect-retry-period': 'time between tries',
  'leader-elect-resource-name': 'name of the Lease',
  'leader-elect-resource-namespace': 'namespace of the Lease',
  v: 'log verbosity; 4 and more: debug',
  version: 'print the version and exit',
};

export const nodeNameFlag: FlagSpec = {
  name: 'node-name',
  kind: 'string',
  description: 'start of the identity in the election; default: $EVENKEEL_NODE_NAME, else the host name',
};

/** As a configuration file has it. */
export interface LeaderElectionConfiguration {
  leaderElect: boolean;
  leaseDurationMs: number;
  renewDeadlineMs: number;
  retryPeriodMs: number;
  resourceName: string;
  resourceNamespace: string;
}

/** `configured`: from the component's configuration file, where it has one. */
export async function clientConfig(parsed: ParsedFlags, configured?: string): Promise<ClientConfig> {
  const kubeconfig = configured || parsed.string('kubeconfig');
  const master = parsed.string('master');
  if (!kubeconfig && !master) throw new UsageError('no API server: give --kubeconfig FILE (or --master URL)');
  const config = kubeconfig ? await loadKubeconfig(kubeconfig, realClock) : { server: master };
  return master ? { ...config, server: master } : config;
}

/** A flag that was given wins over the file, the file over the default. */
export function electorFor(
  parsed: ParsedFlags,
  file: Partial<LeaderElectionConfiguration>,
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

/** The HTTPS port of health and metrics; undefined with --secure-port=0. */
export async function serverFor(
  parsed: ParsedFlags,
  component: string,
  content: Pick<ComponentServerOptions, 'readyChecks' | 'metrics'>,
): Promise<ComponentServer | undefined> {
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
  const own = ownMetrics(realClock, certificate.cert);
  return createComponentServer({
    bindAddress: parsed.string('bind-address'),
    port,
    ...certificate,
    ...(clientCaFile && { clientCa: await readText('--client-ca-file', clientCaFile) }),
    ...content,
    async metrics() {
      const { contentType, body } = await content.metrics();
      return { contentType, body: body + own() };
    },
  });
}

export async function readText(flag: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new OperatorError(`cannot read ${flag} ${file}: ${messageOf(cause)}`, { cause });
  }
}
