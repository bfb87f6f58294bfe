/**
 * What the audit log costs a read, by level: node src/apiserver/audit/audit.bench.ts [ROUNDS]. Pairs in one run, by the
 * CPU time of the server's thread, whatever else the machine does; the client is a thread of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { configMap, openSession, startTestServer, type TestServer } from '../testing/fixtures.ts';
import { AuditMetrics } from './audit-metrics.ts';
import { type BackendMode, createBackend } from './backend.ts';
import { logDestination } from './log-destination.ts';
import { compilePolicy, type Level, type Stage } from './policy.ts';

const rounds = Number(process.argv[2] ?? 20);
const requestsPerRound = 2000;
const concurrency = 32;
const path = '/api/v1/namespaces/default/configmaps/a';
const directory = isMainThread ? mkdtempSync(join(tmpdir(), 'evenkeel-audit-bench-')) : '';

function auditorOf(level: Level, mode: BackendMode, omitStages: Stage[] = []) {
  const metrics = new AuditMetrics();
  const file = {
    path: join(directory, `${level}-${mode}-${omitStages}.log`),
    maxAgeDays: 0,
    maxBackups: 2,
    compress: false,
  };
  const destination = logDestination({ ...file, format: 'json', maxSizeMegabytes: 100 }, realClock, silentLogger);
  const batch = { bufferSize: 10_000, maxBatchSize: 1, maxBatchWaitMs: 0, throttle: undefined };
  const context = { metrics, clock: realClock, log: silentLogger };
  const backend = createBackend(destination, { mode, batch, truncate: undefined }, context);
  return { evaluate: compilePolicy({ rules: [{ level }], omitStages }), process: backend.process, metrics };
}

const cases = () => ({
  'no policy': undefined,
  None: auditorOf('None', 'blocking'),
  'Metadata, blocking': auditorOf('Metadata', 'blocking'),
  'Metadata, blocking, 1 stage': auditorOf('Metadata', 'blocking', ['RequestReceived']),
  'Metadata, blocking-strict': auditorOf('Metadata', 'blocking-strict'),
  'Metadata, batch': auditorOf('Metadata', 'batch'),
  'RequestResponse, blocking': auditorOf('RequestResponse', 'blocking'),
});

function get(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, authorization: 'Bearer admin' }, { endStream: true });
    stream.on('response', (headers) => {
      if (headers[':status'] !== 200) reject(new Error(`answered ${headers[':status']}`));
    });
    stream.on('end', resolve).on('error', reject).resume();
  });
}

async function load(session: ClientHttp2Session): Promise<void> {
  let left = requestsPerRound;
  const worker = async () => {
    while (left-- > 0) await get(session);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

/** The client's thread: a round of requests to each port it is told. */
function serveLoad(): void {
  const sessions = new Map<number, ClientHttp2Session>();
  parentPort!.on('message', async (port: number) => {
    if (port === 0) {
      for (const session of sessions.values()) session.destroy();
      return parentPort!.close();
    }
    if (!sessions.has(port)) sessions.set(port, openSession(port));
    await load(sessions.get(port)!);
    parentPort!.postMessage('done');
  });
}

/** Microseconds of the server's thread for each request. */
async function costOf(client: Worker, port: number): Promise<number> {
  const before = process.threadCpuUsage();
  const done = new Promise((resolve) => client.once('message', resolve));
  client.postMessage(port);
  await done;
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / requestsPerRound;
}

async function measure(): Promise<void> {
  const client = new Worker(import.meta.filename);
  const servers: { name: string; server: TestServer; costs: number[]; ratios: number[] }[] = [];
  for (const [name, auditor] of Object.entries(cases())) {
    const server = await startTestServer(auditor ? { auditor } : {});
    await server.h2('POST', '/api/v1/namespaces/default/configmaps', { body: configMap('a', { k: 'v' }) });
    servers.push({ name, server, costs: [], ratios: [] });
  }
  for (let round = -1; round < rounds; round++) {
    for (const { server, costs, ratios } of servers) {
      const cost = await costOf(client, server.port);
      // The first round warms up.
      if (round < 0) continue;
      costs.push(cost);
      ratios.push(cost / servers[0]!.costs.at(-1)!);
    }
  }
  for (const { name, costs, ratios, server } of servers) {
    const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((r) => r.toFixed(2));
    console.log(
      `${name.padEnd(28)} ${median(costs).toFixed(1)} µs a GET, ×${median(ratios).toFixed(2)} (${low}–${high})`,
    );
    await server.stop();
  }
  client.postMessage(0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (isMainThread) {
  await measure();
  rmSync(directory, { recursive: true, force: true });
} else {
  serveLoad();
}
