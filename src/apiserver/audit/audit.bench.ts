/** What the audit log costs a read, by level: node src/apiserver/audit/audit.bench.ts [ROUNDS]. Pairs in one run. */
import { mkdtempSync, rmSync } from 'node:fs';
import type http2 from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { configMap, openSession, startTestServer, type TestServer } from '../testing/fixtures.ts';
import { AuditMetrics } from './audit-metrics.ts';
import { type BackendMode, createBackend } from './backend.ts';
import { logDestination } from './log-destination.ts';
import { compilePolicy, type Level } from './policy.ts';

const rounds = Number(process.argv[2] ?? 10);
const requestsPerRound = 4000;
const concurrency = 32;
const path = '/api/v1/namespaces/default/configmaps/a';
const directory = mkdtempSync(join(tmpdir(), 'evenkeel-audit-bench-'));

function auditorOf(level: Level, mode: BackendMode) {
  const metrics = new AuditMetrics();
  const file = { path: join(directory, `${level}-${mode}.log`), maxAgeDays: 0, maxBackups: 2, compress: false };
  const destination = logDestination({ ...file, format: 'json', maxSizeMegabytes: 100 }, realClock, silentLogger);
  const batch = { bufferSize: 10_000, maxBatchSize: 1, maxBatchWaitMs: 0, throttle: undefined };
  const context = { metrics, clock: realClock, log: silentLogger };
  const backend = createBackend(destination, { mode, batch, truncate: undefined }, context);
  return { evaluate: compilePolicy({ rules: [{ level }] }), process: backend.process, metrics };
}

const cases = {
  'no policy': undefined,
  None: auditorOf('None', 'blocking'),
  'Metadata, blocking': auditorOf('Metadata', 'blocking'),
  'Metadata, batch': auditorOf('Metadata', 'batch'),
  'RequestResponse, blocking': auditorOf('RequestResponse', 'blocking'),
};

function get(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, authorization: 'Bearer admin' }, { endStream: true });
    stream.on('response', (headers) => {
      if (headers[':status'] !== 200) reject(new Error(`answered ${headers[':status']}`));
    });
    stream.on('end', resolve).on('error', reject).resume();
  });
}

async function secondsOf(session: ClientHttp2Session): Promise<number> {
  const startedAt = performance.now();
  let left = requestsPerRound;
  const worker = async () => {
    while (left-- > 0) await get(session);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return (performance.now() - startedAt) / 1000;
}

const servers: { name: string; server: TestServer; session: http2.ClientHttp2Session; ratios: number[] }[] = [];
for (const [name, auditor] of Object.entries(cases)) {
  const server = await startTestServer(auditor ? { auditor } : {});
  await server.h2('POST', '/api/v1/namespaces/default/configmaps', { body: configMap('a', { k: 'v' }) });
  servers.push({ name, server, session: openSession(server.port), ratios: [] });
}
for (let round = -1; round < rounds; round++) {
  let bare = 0;
  for (const { name, session, ratios } of servers) {
    const seconds = await secondsOf(session);
    if (name === 'no policy') bare = seconds;
    // The first round warms up.
    if (round >= 0) ratios.push(bare / seconds);
  }
}
for (const { name, ratios, server, session } of servers) {
  const sorted = ratios.sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)]!;
  console.log(
    `${name.padEnd(26)} throughput ×${median.toFixed(2)} (${sorted[0]!.toFixed(2)}–${sorted.at(-1)!.toFixed(2)})`,
  );
  session.destroy();
  await server.stop();
}
rmSync(directory, { recursive: true, force: true });
