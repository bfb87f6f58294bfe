/** `evenkeel etcd`: the embedded store, with etcd's command line. */
import { readFileSync } from 'node:fs';
import { type FlagSpec, formatFlags, type ParsedFlags, parseDuration, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger, type LogLevel } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import type { AutoCompaction } from '#store/auto-compaction.ts';
import { createEtcdServer } from '#store/etcd-server.ts';
import type { ListenerTls } from '#store/rpc/listener.ts';
import { OperatorError, runProcess } from './process.ts';

const specs: readonly FlagSpec[] = [
  { name: 'name', kind: 'string', description: 'name of this member', default: 'default' },
  { name: 'data-dir', kind: 'string', description: 'directory of the data [NAME.etcd]' },
  {
    name: 'listen-client-urls',
    kind: 'strings',
    description: 'URLs to serve clients on',
    default: 'http://localhost:2379',
  },
  { name: 'advertise-client-urls', kind: 'strings', description: 'URLs to tell clients [those that are listened on]' },
  {
    name: 'listen-metrics-urls',
    kind: 'strings',
    description: 'more URLs for /health and /metrics, without client certificate',
  },
  { name: 'cert-file', kind: 'string', description: 'certificate of the server' },
  { name: 'key-file', kind: 'string', description: 'its private key' },
  {
    name: 'trusted-ca-file',
    kind: 'string',
    description: 'CA of the client certificates; turns --client-cert-auth on',
  },
  { name: 'client-cert-auth', kind: 'bool', description: 'ask clients for a certificate', default: 'false' },
  {
    name: 'client-cert-allowed-cn',
    kind: 'strings',
    description: "common names of the client certificates to accept; ours, not etcd's",
  },
  { name: 'auto-compaction-mode', kind: 'string', description: 'periodic or revision', default: 'periodic' },
  {
    name: 'auto-compaction-retention',
    kind: 'string',
    description: 'how much history to keep: hours, a duration, or revisions; 0 is off',
    default: '0',
  },
  {
    name: 'quota-backend-bytes',
    kind: 'int',
    description: 'size at which writes are refused; 0 is 2 GiB',
    default: '0',
  },
  { name: 'max-request-bytes', kind: 'int', description: 'largest request', default: '1572864' },
  { name: 'max-txn-ops', kind: 'int', description: 'most operations of a transaction', default: '128' },
  {
    name: 'experimental-watch-progress-notify-interval',
    kind: 'duration',
    description: 'how often idle watches are told the revision',
    default: '10m',
  },
  {
    name: 'watch-progress-notify-interval',
    kind: 'duration',
    description: 'the same, by its newer name',
    hidden: true,
  },
  { name: 'log-level', kind: 'string', description: 'debug, info, warn or error', default: 'info' },
  { name: 'listen-peer-urls', kind: 'strings', description: '', default: 'http://localhost:2380', inert: true },
  { name: 'initial-advertise-peer-urls', kind: 'strings', description: '', inert: true },
  ...inert('string', [
    'initial-cluster',
    'initial-cluster-state',
    'initial-cluster-token',
    'discovery',
    'discovery-fallback',
    'discovery-proxy',
    'discovery-srv',
    'discovery-srv-name',
    'peer-cert-file',
    'peer-key-file',
    'peer-trusted-ca-file',
    'peer-cert-allowed-cn',
    'peer-cert-allowed-hostname',
    'peer-crl-file',
    'client-crl-file',
    'client-cert-allowed-hostname',
    'wal-dir',
    'logger',
    'log-outputs',
    'log-format',
    'metrics',
    'cors',
    'host-whitelist',
    'auth-token',
    'backend-bbolt-freelist-type',
    'cipher-suites',
    'tls-min-version',
    'tls-max-version',
    'log-rotation-config-json',
    'proxy',
    'v2-deprecation',
    'backend-batch-interval',
    'feature-gates',
  ]),
  ...inert('int', [
    'snapshot-count',
    'heartbeat-interval',
    'election-timeout',
    'max-snapshots',
    'max-wals',
    'max-concurrent-streams',
    'backend-batch-limit',
    'bcrypt-cost',
    'auth-token-ttl',
    'self-signed-cert-validity',
    'experimental-compaction-batch-limit',
    'compaction-batch-limit',
    'experimental-max-learners',
    'max-learners',
    'experimental-snapshot-catchup-entries',
    'snapshot-catchup-entries',
  ]),
  ...inert('duration', [
    'grpc-keepalive-min-time',
    'grpc-keepalive-interval',
    'grpc-keepalive-timeout',
    'experimental-corrupt-check-time',
    'corrupt-check-time',
    'experimental-compact-hash-check-time',
    'compact-hash-check-time',
    'experimental-warning-apply-duration',
    'warning-apply-duration',
    'experimental-downgrade-check-time',
    'downgrade-check-time',
    'experimental-warning-unary-request-duration',
    'warning-unary-request-duration',
    'experimental-compaction-sleep-interval',
    'compaction-sleep-interval',
    'experimental-wait-cluster-ready-timeout',
  ]),
  ...inert('bool', [
    'auto-tls',
    'peer-auto-tls',
    'peer-client-cert-auth',
    'strict-reconfig-check',
    'pre-vote',
    'enable-v2',
    'enable-pprof',
    'enable-grpc-gateway',
    'force-new-cluster',
    'unsafe-no-fsync',
    'socket-reuse-port',
    'socket-reuse-address',
    'debug',
    'initial-election-tick-advance',
    'enable-log-rotation',
    'experimental-initial-corrupt-check',
    'initial-corrupt-check',
    'experimental-enable-lease-checkpoint',
    'experimental-enable-lease-checkpoint-persist',
    'experimental-peer-skip-client-san-verification',
    'peer-skip-client-san-verification',
    'experimental-memory-mlock',
    'memory-mlock',
    'experimental-compact-hash-check-enabled',
    'experimental-txn-mode-write-with-shared-buffer',
    'experimental-stop-grpc-service-on-defrag',
    'experimental-enable-distributed-tracing',
    'enable-distributed-tracing',
  ]),
];

const usage = (name: string) => `Usage: ${name} [flags]

A store that speaks etcd's v3 API: one member, in one directory.

Examples:
  ${name} --data-dir /var/lib/store
  ${name} --data-dir /var/lib/store --listen-client-urls https://127.0.0.1:2379 \\
    --cert-file server.crt --key-file server.key --trusted-ca-file ca.crt --client-cert-auth

Flags (etcd's others are accepted, without effect):
${formatFlags(specs)}
`;

export async function main(argv: string[], name: string): Promise<void> {
  await runProcess(name, async (signal) => {
    const flags = parseFlags(specs, argv);
    if (flags.help) {
      process.stdout.write(usage(name));
      return;
    }
    if (flags.positional.length > 0) throw new UsageError(`unexpected argument: ${flags.positional[0]}; see --help`);
    const log = createLogger('etcd', logLevel(flags));
    for (const warning of flags.warnings) log.warn({}, warning);
    const progress = flags.has('watch-progress-notify-interval') ? '' : 'experimental-';
    const tls = tlsOptions(flags);
    const autoCompaction = autoCompactionOptions(flags);
    const server = createEtcdServer({
      name: flags.string('name'),
      dataDir: flags.string('data-dir') || `${flags.string('name')}.etcd`,
      listenClientUrls: flags.strings('listen-client-urls'),
      advertiseClientUrls: flags.strings('advertise-client-urls'),
      peerUrls: flags.has('initial-advertise-peer-urls')
        ? flags.strings('initial-advertise-peer-urls')
        : flags.strings('listen-peer-urls'),
      listenMetricsUrls: flags.strings('listen-metrics-urls'),
      ...(tls && { tls }),
      ...(autoCompaction && { autoCompaction }),
      quotaBackendBytes: flags.int('quota-backend-bytes'),
      maxRequestBytes: flags.int('max-request-bytes'),
      maxTxnOps: flags.int('max-txn-ops'),
      watchProgressNotifyIntervalMs: flags.durationMs(`${progress}watch-progress-notify-interval`),
      clock: realClock,
      log,
    });
    await server.run(signal);
  });
}

function inert(kind: FlagSpec['kind'], names: string[]): FlagSpec[] {
  return names.map((name) => ({ name, kind, description: '', inert: true }));
}

function logLevel(flags: ParsedFlags): LogLevel {
  const level = flags.string('log-level');
  if (level === 'debug' || level === 'info' || level === 'warn' || level === 'error') return level;
  // etcd's other levels end the process at the first such line; errors are as far as it makes sense here.
  if (level === 'panic' || level === 'fatal' || level === 'dpanic') return 'error';
  throw new UsageError(`invalid value ${JSON.stringify(level)} for --log-level: give debug, info, warn or error`);
}

function tlsOptions(flags: ParsedFlags): ListenerTls | undefined {
  const [cert, key, ca] = [flags.string('cert-file'), flags.string('key-file'), flags.string('trusted-ca-file')];
  if (flags.bool('client-cert-auth') && !ca) throw new UsageError('--client-cert-auth needs --trusted-ca-file');
  const allowedCommonNames = flags.strings('client-cert-allowed-cn');
  if (allowedCommonNames.length > 0 && !ca) throw new UsageError('--client-cert-allowed-cn needs --trusted-ca-file');
  if (!cert && !key) return undefined;
  if (!cert || !key) throw new UsageError('--cert-file and --key-file go together');
  return {
    cert: read('cert-file', cert),
    key: read('key-file', key),
    ...(ca && { clientCa: read('trusted-ca-file', ca) }),
    allowedCommonNames,
  };
}

function read(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new OperatorError(
      `--${flag}: cannot read ${path}: ${(error as NodeJS.ErrnoException).code}; give a file in PEM form`,
    );
  }
}

/** etcd's grammar: a bare number is hours in periodic mode, revisions in revision mode. */
function autoCompactionOptions(flags: ParsedFlags): AutoCompaction | undefined {
  const mode = flags.string('auto-compaction-mode');
  const retention = flags.string('auto-compaction-retention');
  const fail = (why: string) =>
    new UsageError(`invalid value ${JSON.stringify(retention)} for --auto-compaction-retention: ${why}`);
  const isNumber = /^\d+$/.test(retention);
  if (mode === 'revision') {
    if (!isNumber) throw fail('give a number of revisions');
    return Number(retention) > 0 ? { mode, revisions: Number(retention) } : undefined;
  }
  if (mode !== 'periodic')
    throw new UsageError(`invalid value ${JSON.stringify(mode)} for --auto-compaction-mode: give periodic or revision`);
  const retentionMs = isNumber ? Number(retention) * 3_600_000 : parseDuration(retention);
  if (retentionMs === undefined) throw fail('give hours, or a duration such as 30m');
  return retentionMs > 0 ? { mode, retentionMs } : undefined;
}
