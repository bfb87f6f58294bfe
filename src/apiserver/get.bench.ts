/**
 * What a GET costs over what node:http2 costs: the same bytes over TLS from a bare server and from the whole request path,
 * one after the other in one process, driven by h2load. Run: node src/apiserver/get.bench.ts
 */
import { spawnSync } from 'node:child_process';
import http2, { type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { configMap, servingPair, startTestServer } from './testing/fixtures.ts';

const rounds = 3;
const requests = 20_000;
const path = '/api/v1/namespaces/default/configmaps/bench';

if (isMainThread) await measure();
else await serve();

/** In a thread of its own, because h2load is waited for synchronously. */
async function serve(): Promise<void> {
  const test = await startTestServer();
  const data = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key-${i}`, 'x'.repeat(50)]));
  await test.h2('POST', '/api/v1/namespaces/default/configmaps', { body: configMap('bench', data) });
  const body = Buffer.from((await test.h2('GET', path)).text);
  const bare = http2.createSecureServer(servingPair);
  bare.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/json', 'content-length': body.length });
    stream.end(body);
  });
  await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));
  parentPort!.postMessage({ bare: (bare.address() as AddressInfo).port, own: test.port });
}

async function measure(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url));
  const ports = await new Promise<{ bare: number; own: number }>((resolve) => worker.once('message', resolve));
  const ratios: Record<string, number[]> = { cached: [], consistent: [] };
  const rate = (port: number, target: string) => requestsPerSecond(port, target);
  rate(ports.bare, path);
  rate(ports.own, path);
  for (let round = 0; round < rounds; round++) {
    const bare = rate(ports.bare, path);
    const cached = rate(ports.own, `${path}?resourceVersion=0`);
    const consistent = rate(ports.own, path);
    ratios['cached']!.push(cached / bare);
    ratios['consistent']!.push(consistent / bare);
    console.log(
      `bare ${bare.toFixed(0)}/s, resourceVersion=0 ${cached.toFixed(0)}/s, consistent ${consistent.toFixed(0)}/s`,
    );
  }
  for (const [name, all] of Object.entries(ratios)) {
    const median = all.sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
    console.log(`${name}: ${(median * 100).toFixed(0)} % of bare node:http2`);
  }
  await worker.terminate();
}

function requestsPerSecond(port: number, target: string): number {
  const run = spawnSync(
    'h2load',
    [
      '-n',
      String(requests),
      '-c',
      '4',
      '-m',
      '16',
      '-H',
      'authorization: Bearer admin',
      `https://127.0.0.1:${port}${target}`,
    ],
    { encoding: 'utf8' },
  );
  const match = /, ([\d.]+) req\/s/.exec(run.stdout ?? '');
  const succeeded = /(\d+) succeeded/.exec(run.stdout ?? '');
  if (!match || Number(succeeded?.[1]) !== requests) throw new Error(`h2load failed: ${run.stdout}${run.stderr}`);
  return Number(match[1]);
}
