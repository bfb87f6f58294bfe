/** `evenkeel etcd`: the embedded store, with etcd's command line. */
import { formatFlags, type ParsedFlags, parseDuration, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger, type LogLevel } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import type { AutoCompaction } from '#store/auto-compaction.ts';
import { createEtcdServer } from '#store/etcd-server.ts';
import { etcdFlags } from '#store/flags.ts';
import type { ListenerTls } from '#store/rpc/listener.ts';
import { readTlsFiles } from '#store/rpc/tls-files.ts';
import { runProcess } from './process.ts';

export const flags = etcdFlags;

const usage = (name: string) => `Usage: ${name} [flags]

A store that speaks etcd's v3 API: one member, in one directory.

Examples:
  ${name} --data-dir /var/lib/store
  ${name} --data-dir /var/lib/store --listen-client-urls https://127.0.0.1:2379 \\
    --cert-file server.crt --key-file server.key --trusted-ca-file ca.crt --client-cert-auth

Flags (etcd's others are accepted, without effect):
${formatFlags(etcdFlags)}
`;

export async function main(argv: string[], name: string): Promise<void> {
  await runProcess(name, async (signal) => {
    const flags = parseFlags(etcdFlags, argv);
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
  return readTlsFiles({ cert, key, ca, allowedCommonNames }, realClock.now());
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
