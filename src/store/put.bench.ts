/**
 * Latency of one client's puts, and throughput of 64 at once: our store against real etcd, the same client, the same
 * disk. Run: node src/store/put.bench.ts
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '#base/log.ts';
import { createEtcdClient, type EtcdClient } from '#etcd/client.ts';
import { realClock } from '#os/real-clock.ts';

const seconds = 4;
const value = Buffer.alloc(1024, 'x');

const evenkeel = join(import.meta.dirname, '..', '..', 'bin', 'evenkeel.ts');
const rows = [
  await measure('evenkeel etcd', (dir, client) => [process.execPath, evenkeel, 'etcd', ...flags(dir, client)]),
  await measure('etcd', async (dir, client) => {
    const peer = `http://127.0.0.1:${await freePort()}`;
    const peers = [
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ];
    return ['/usr/bin/etcd', ...flags(dir, client), `--advertise-client-urls=${client}`, ...peers];
  }),
];
console.log(`${cpus().length} × ${cpus()[0]!.model}, node ${process.version}, values of ${value.length} bytes`);
console.table(rows);
process.exit(0);

function flags(dir: string, client: string): string[] {
  return [`--data-dir=${dir}`, `--listen-client-urls=${client}`];
}

async function measure(name: string, command: (dir: string, client: string) => string[] | Promise<string[]>) {
  const dir = mkdtempSync(join(tmpdir(), 'bench-'));
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const [file, ...args] = await command(join(dir, 'data'), endpoint);
  const started = performance.now();
  const child = spawn(file!, args, { stdio: 'ignore' });
  const client = createEtcdClient({ endpoints: [endpoint], clock: realClock, log: silentLogger });
  try {
    await client.status();
    const readyMs = performance.now() - started;
    const idleMb = rssMb(child);
    const single = await puts(client, 1);
    const many = await puts(client, 64);
    return {
      store: name,
      'ready ms': Math.round(readyMs),
      'idle MB': idleMb,
      'put p50 ms': single.p50,
      'put p99 ms': single.p99,
      '64 clients put/s': many.perSecond,
      '64 clients p99 ms': many.p99,
      'MB after': rssMb(child),
    };
  } finally {
    client.close();
    child.kill('SIGKILL');
    await once(child, 'exit');
    rmSync(dir, { recursive: true, force: true });
  }
}

async function puts(client: EtcdClient, writers: number) {
  const latencies: number[] = [];
  const warmUntil = performance.now() + 1000;
  const end = warmUntil + seconds * 1000;
  const write = async (n: number) => {
    for (let i = 0; performance.now() < end; i++) {
      const start = performance.now();
      await client.put({ key: Buffer.from(`/bench/${writers}/${n}/${i % 1000}`), value });
      if (start > warmUntil) latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, n) => write(n)));
  latencies.sort((a, b) => a - b);
  const at = (q: number) => Number(latencies[Math.floor(latencies.length * q)]!.toFixed(2));
  return { p50: at(0.5), p99: at(0.99), perSecond: Math.round(latencies.length / seconds) };
}

function rssMb(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
