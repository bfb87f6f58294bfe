/** `evenkeel lb`: the load balancer in front of the API servers. */
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { createLogger } from '#base/log.ts';
import type { BackendAddress } from '#loadbalancer/backend.ts';
import { runLoadBalancer } from '#loadbalancer/load-balancer.ts';
import { realClock } from '#os/real-clock.ts';
import { runProcess } from './process.ts';

export const flags: FlagSpec[] = [
  { name: 'listen', kind: 'string', description: 'address for clients', default: '127.0.0.1:6443' },
  { name: 'backend', kind: 'strings', description: 'NAME=HOST:PORT of an API server; give one for each' },
  {
    name: 'admin-listen',
    kind: 'string',
    description: 'plain HTTP address of /healthz, /backends and /metrics; empty for none',
  },
  { name: 'health-path', kind: 'string', description: 'what the active check asks for', default: '/readyz' },
  { name: 'health-interval', kind: 'duration', description: 'time between checks', default: '500ms', min: 10 },
  {
    name: 'health-timeout',
    kind: 'duration',
    description: 'a check without an answer fails after this',
    default: '2s',
    min: 10,
  },
  { name: 'rise', kind: 'int', description: 'checks in a row that bring a backend up', default: '1', min: 1 },
  {
    name: 'fall',
    kind: 'int',
    description: 'checks in a row without an answer that take a backend out; a refused one does at once',
    default: '2',
    min: 1,
  },
  { name: 'connect-timeout', kind: 'duration', description: 'then the next backend is tried', default: '1s', min: 10 },
  { name: 'max-connections', kind: 'int', description: 'clients at once', default: '20000', min: 1 },
];

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async (signal) => {
    const parsed = parseFlags(flags, argv);
    if (parsed.help) return void process.stdout.write(usage(name));
    if (parsed.positional.length > 0) throw new UsageError(`unexpected argument "${parsed.positional[0]}": see --help`);
    const admin = parsed.string('admin-listen');
    await runLoadBalancer(
      {
        listen: parseAddress('listen', parsed.string('listen')),
        ...(admin ? { admin: parseAddress('admin-listen', admin) } : {}),
        backends: backendsOf(parsed),
        health: {
          path: parsed.string('health-path'),
          intervalMs: parsed.durationMs('health-interval'),
          timeoutMs: parsed.durationMs('health-timeout'),
          rise: parsed.int('rise'),
          fall: parsed.int('fall'),
        },
        proxy: { connectTimeoutMs: parsed.durationMs('connect-timeout') },
        maxConnections: parsed.int('max-connections'),
      },
      realClock,
      createLogger('lb'),
      signal,
    );
  });
}

function backendsOf(parsed: ParsedFlags): BackendAddress[] {
  const backends = parsed.strings('backend').map((text) => {
    const equals = text.indexOf('=');
    return { name: text.slice(0, equals < 0 ? undefined : equals), ...parseAddress('backend', text.slice(equals + 1)) };
  });
  const twice = backends.find((b, i) => backends.findIndex((other) => other.name === b.name) < i);
  if (twice) throw new UsageError(`two backends are called "${twice.name}": give each --backend a name of its own`);
  if (backends.length === 0) throw new UsageError('no backend: give at least one --backend NAME=HOST:PORT');
  return backends;
}

function parseAddress(flag: string, text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new UsageError(`invalid value "${text}" for --${flag}: give HOST:PORT`);
  }
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port };
}

function usage(name: string): string {
  return `Load balancer for the API servers: TCP, round robin over those that are ready.

Usage:
  ${name} --backend NAME=HOST:PORT [--backend …] [flags]

Examples:
  ${name} --listen 127.0.0.1:6443 \\
    --backend master1=127.0.1.1:6443 --backend master2=127.0.1.2:6443

Flags:
${formatFlags(flags)}
`;
}
