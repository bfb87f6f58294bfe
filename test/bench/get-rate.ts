/**
 * GETs per second of one ConfigMap from one API server, paired with bare node:http2 over TLS that sends the same bytes
 * from memory: the same client, in turn, in the same run. h2load (nghttp2-client) is the client.
 */
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { freePort, until } from '../system/control-plane.ts';
import { startApiServer, token } from './api-server.ts';
import { median } from './processes.ts';

const pairs = 5;
/** So many rounds before it counts: both servers' code is then compiled. */
const warmUps = 3;
const load = { requests: 20_000, clients: 8, streams: 16 };
const path = '/api/v1/namespaces/default/configmaps/bench';
const cached = `${path}?resourceVersion=0`;

export interface GetRate {
  /** Of a consistent GET to the bare server's. */
  ratio: number;
  /** The same of a GET at resourceVersion=0, which need not ask the store. */
  cachedRatio: number;
  ours: number;
  bare: number;
}

export async function getRate(): Promise<GetRate> {
  const server = await startApiServer();
  const barePort = await freePort();
  let bareServer: ReturnType<typeof spawn> | undefined;
  try {
    const data = { payload: 'x'.repeat(600) };
    await call(server.port, 'POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'bench' }, data });
    const body = await call(server.port, 'GET', path);
    const bodyFile = join(server.directory, 'body.json');
    writeFileSync(bodyFile, body);
    bareServer = spawn(
      process.execPath,
      [join(import.meta.dirname, 'bare-http2.ts'), String(barePort), bodyFile, server.directory],
      { stdio: 'inherit' },
    );
    await until('the bare server answers', async () => (await call(barePort, 'GET', path)) === body);

    const rates = { ours: [] as number[], cached: [] as number[], bare: [] as number[] };
    for (let i = -warmUps; i < pairs; i++) {
      const round = { ours: h2load(server.port), cached: h2load(server.port, cached), bare: h2load(barePort) };
      if (i < 0) continue;
      rates.ours.push(round.ours);
      rates.cached.push(round.cached);
      rates.bare.push(round.bare);
    }
    const toBare = (own: readonly number[]) => median(own.map((rate, i) => rate / rates.bare[i]!));
    return {
      ratio: toBare(rates.ours),
      cachedRatio: toBare(rates.cached),
      ours: median(rates.ours),
      bare: median(rates.bare),
    };
  } finally {
    bareServer?.kill('SIGKILL');
    await server.stop();
  }
}

function h2load(port: number, target = path): number {
  const { requests, clients, streams } = load;
  const output = execFileSync(
    'h2load',
    [
      '-n',
      String(requests),
      '-c',
      String(clients),
      '-m',
      String(streams),
      '-H',
      `authorization: Bearer ${token}`,
      '-H',
      'accept: application/json',
      `https://127.0.0.1:${port}${target}`,
    ],
    { encoding: 'utf8' },
  );
  if (!new RegExp(`${requests} succeeded, 0 failed`).test(output)) throw new Error(`requests failed:\n${output}`);
  return Number(/([\d.]+) req\/s/.exec(output)![1]);
}

function call(port: number, method: string, url: string, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      'content-type': 'application/json',
    };
    const req = request(
      { host: '127.0.0.1', port, path: url, method, headers, rejectUnauthorized: false, agent: false },
      async (res) => {
        let text = '';
        for await (const chunk of res) text += chunk;
        resolve(text);
      },
    );
    req.on('error', reject);
    req.end(body ? JSON.stringify(body) : undefined);
  });
}
