/** `evenkeel up`: a whole control plane on this machine, in the foreground or (`--detach`) behind. */
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { upPanel } from '#cli/panel.ts';
import { styleFor } from '#cli/style.ts';
import { dataDirAt, readRunRecord } from '#controlplane/data-dir.ts';
import { killLeftovers } from '#controlplane/leftovers.ts';
import { faultOfMemberCount, type StoreKind, type StoreWanted, storeDefaults } from '#controlplane/store-spec.ts';
import { defaults, type RunningControlPlane, type UpOptions, up } from '#controlplane/up.ts';
import { realClock } from '#os/real-clock.ts';
import { connect, dataDirFlag, dataDirOf, program } from './local.ts';
import { runProcess } from './process.ts';

export const flags: FlagSpec[] = [
  dataDirFlag,
  {
    name: 'masters',
    kind: 'int',
    description: `API servers, schedulers and controller managers: 1 to 9 [kept, or ${defaults.masters}]`,
  },
  { name: 'nodes', kind: 'int', description: `simulated nodes: 0 to 1000 [kept, or ${defaults.nodes}]` },
  {
    name: 'store',
    kind: 'string',
    description: `embedded: evenkeel's own, or etcd: Debian's etcd-server [kept, or ${storeDefaults.kind}]`,
  },
  {
    name: 'etcd-members',
    kind: 'int',
    description: `with --store etcd: 1, 3 or 5 [kept, or ${storeDefaults.members}]`,
  },
  {
    name: 'heartbeat-interval',
    kind: 'int',
    min: 1,
    description: `with --store etcd: milliseconds between a leader's heartbeats [kept, or ${storeDefaults.heartbeatIntervalMs}]`,
  },
  {
    name: 'election-timeout',
    kind: 'int',
    min: 1,
    description: `with --store etcd: milliseconds without one until an election [kept, or ${storeDefaults.electionTimeoutMs}]`,
  },
  { name: 'port', kind: 'int', description: `where clients connect, on 127.0.0.1 [kept, or ${defaults.port}]` },
  { name: 'detach', kind: 'bool', description: 'return once it is up; stop it with evenkeel down' },
  { name: 'timeout', kind: 'duration', description: 'give up when it is not ready after this', default: '60s' },
  { name: 'output', kind: 'string', description: 'text or json', default: 'text', shorthand: 'o' },
];

export function main(argv: string[], name: string): Promise<never> {
  let onImpatience = () => {};
  const body = async (signal: AbortSignal) => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) return void process.stdout.write(usage(name));
    const options = optionsOf(parsed);
    if (parsed.bool('detach')) {
      const { detach } = await import('./detach.ts');
      const forwarded = argv.filter((a) => !/^--detach(=|$)/.test(a));
      return detach(forwarded, options, parsed.string('output') === 'json', signal);
    }
    onImpatience = () => {
      const dir = dataDirAt(options.dataDir);
      if (readRunRecord(dir)?.supervisor.pid !== process.pid) return; // Another `up` runs there.
      killLeftovers(dir);
      process.stderr.write('\nkilled all of it; what was acknowledged is kept\n');
    };
    await inForeground(options, parsed.string('output') === 'json', signal);
  };
  return runProcess(name, body, () => onImpatience());
}

async function inForeground(options: UpOptions, isJson: boolean, signal: AbortSignal): Promise<void> {
  const style = styleFor(process.stderr, process.env);
  const startedAt = realClock.monotonic();
  const seconds = () => style.dim(`${((realClock.monotonic() - startedAt) / 1000).toFixed(1).padStart(5)} s`);
  const say = (mark: string, text: string) => process.stderr.write(`${mark} ${seconds()}  ${text}\n`);
  const running = await up(
    options,
    {
      clock: realClock,
      random: Math.random,
      connect,
      progress: (text) => say(style.green('✓'), text),
      notice: (text) => say(style.red('!'), text),
    },
    signal,
  );
  announce(running, isJson);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  process.stderr.write('\nstopping … (Ctrl-C again: kill)\n');
  await running.stop();
  process.stderr.write(`stopped; the data stays in ${options.dataDir}\n`);
}

function announce({ spec, dir, leaders }: RunningControlPlane, isJson: boolean): void {
  const data = {
    server: `https://${spec.host}:${spec.port}`,
    kubeconfig: dir.kubeconfig,
    dataDir: dir.path,
    masters: spec.masters.map((m) => ({ name: m.name, address: `${m.address}:${m.apiserverPort}` })),
    leaders,
    nodes: { total: spec.nodes, ready: spec.nodes },
    store: {
      kind: spec.store.kind,
      members: spec.store.members.map((m) => ({ name: m.name, address: `${m.address}:${m.clientPort}` })),
    },
  };
  if (isJson) process.stdout.write(`${JSON.stringify(data)}\n`);
  else
    process.stdout.write(
      `${upPanel(data, styleFor(process.stdout, process.env))}\n  Ctrl-C stops it; the data is kept.\n\n`,
    );
}

function optionsOf(parsed: ParsedFlags): UpOptions {
  if (parsed.positional.length > 0) throw new UsageError(`unexpected argument "${parsed.positional[0]}": see --help`);
  if (!['text', 'json'].includes(parsed.string('output'))) throw new UsageError('--output takes text or json');
  return {
    dataDir: dataDirOf(parsed),
    masters: inRange(parsed, 'masters', 1, 9),
    nodes: inRange(parsed, 'nodes', 0, 1000),
    store: storeOptions(parsed),
    port: inRange(parsed, 'port', 1, 65535),
    timeoutMs: parsed.durationMs('timeout'),
    program,
  };
}

function storeOptions(parsed: ParsedFlags): StoreWanted {
  const kind = parsed.string('store');
  if (parsed.has('store') && kind !== 'embedded' && kind !== 'etcd')
    throw new UsageError(`--store takes embedded or etcd, not ${JSON.stringify(kind)}`);
  const number = (flag: string) => (parsed.has(flag) ? parsed.int(flag) : undefined);
  const members = number('etcd-members');
  const fault = members === undefined ? undefined : faultOfMemberCount(members);
  if (fault) throw new UsageError(`--etcd-members ${members}: ${fault}`);
  return {
    kind: parsed.has('store') ? (kind as StoreKind) : undefined,
    members,
    heartbeatIntervalMs: number('heartbeat-interval'),
    electionTimeoutMs: number('election-timeout'),
  };
}

function inRange(parsed: ParsedFlags, flag: string, min: number, max: number): number | undefined {
  if (!parsed.has(flag)) return undefined;
  const value = parsed.int(flag);
  if (value < min || value > max) throw new UsageError(`--${flag} takes ${min} to ${max}, not ${value}`);
  return value;
}

function usage(name: string): string {
  return `Start a highly available control plane on this machine, and stay with it until Ctrl-C.

Usage:
  ${name} [flags]

Examples:
  ${name}
  ${name} --masters 1 --nodes 10
  ${name} --store etcd --etcd-members 3
  ${name} --data-dir /tmp/second --port 7443 --detach

Flags:
${formatFlags(flags)}
`;
}
