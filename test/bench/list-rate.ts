/**
 * LISTs of many ConfigMaps from one API server, paired with bare node:http2 over TLS that writes the same number of
 * bytes from one buffer: the same client, in turn, in the same run. h2load (nghttp2-client) is the client.
 */
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { join } from 'node:path';
import { freePort, until } from '../system/control-plane.ts';
import { startApiServer, token } from './api-server.ts';
import { cpuSeconds, median } from './processes.ts';

const pairs = 7;
/** So many rounds before it counts: both servers' code is then compiled. */
const warmUps = 2;
const listsPerRound = 24;
const createsAtOnce = 32;
const collection = '/api/v1/namespaces/default/configmaps';

export interface ListRate {
  bytes: number;
  /** Of a consistent LIST to the bare server's. */
  ratio: number;
  /** The same of a LIST at resourceVersion=0, which need not ask the store. */
  cachedRatio: number;
  /** CPU time of the bare server to ours, a consistent LIST: what is left when the client is the slowest of the three. */
  cpuRatio: number;
  /** Lists per second. */
  ours: number;
  bare: number;
}

export async function listRate(objects: number, payloadBytes: number): Promise<ListRate> {
  const server = await startApiServer();
  const barePort = await freePort();
  let bareServer: ReturnType<typeof spawn> | undefined;
  try {
    await createConfigMaps(server.port, objects, payloadBytes);
    const body = await get(server.port, collection);
    const bodyFile = join(server.directory, 'list.json');
    writeFileSync(bodyFile, body);
    bareServer = spawn(
      process.execPath,
      [join(import.meta.dirname, 'bare-http2.ts'), String(barePort), bodyFile, server.directory],
      { stdio: 'inherit' },
    );
    await until('the bare server answers', async () => (await get(barePort, collection)).equals(body));

    const rates = { ours: [] as number[], cached: [] as number[], bare: [] as number[], cpu: [] as number[] };
    for (let i = -warmUps; i < pairs; i++) {
      const cpu = [cpuSeconds(server.pid), cpuSeconds(bareServer.pid!)];
      const round = { ours: h2load(server.port, collection), bare: h2load(barePort, collection) };
      const [ours, bare] = [cpuSeconds(server.pid) - cpu[0]!, cpuSeconds(bareServer.pid!) - cpu[1]!];
      const cached = h2load(server.port, `${collection}?resourceVersion=0`);
      if (i < 0) continue;
      rates.ours.push(round.ours);
      rates.cached.push(cached);
      rates.bare.push(round.bare);
      rates.cpu.push(bare / ours);
    }
    const toBare = (own: readonly number[]) => median(own.map((rate, i) => rate / rates.bare[i]!));
    return {
      bytes: body.length,
      ratio: toBare(rates.ours),
      cachedRatio: toBare(rates.cached),
      cpuRatio: median(rates.cpu),
      ours: median(rates.ours),
      bare: median(rates.bare),
    };
  } finally {
    bareServer?.kill('SIGKILL');
    await server.stop();
  }
}

function h2load(port: number, target: string): number {
  const output = execFileSync(
    'h2load',
    [
      ...['-n', String(listsPerRound), '-c', '2', '-m', '1'],
      ...['-H', `authorization: Bearer ${token}`, '-H', 'accept: application/json'],
      `https://127.0.0.1:${port}${target}`,
    ],
    { encoding: 'utf8' },
  );
  if (!new RegExp(`${listsPerRound} succeeded, 0 failed`).test(output)) throw new Error(`requests failed:\n${output}`);
  return Number(/([\d.]+) req\/s/.exec(output)![1]);
}

export async function createConfigMaps(port: number, objects: number, payloadBytes: number): Promise<void> {
  const session = openSession(port);
  try {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < objects) {
        const name = `bench-${String(next++).padStart(6, '0')}`;
        const object = { metadata: { name, labels: { app: name } }, data: { payload: 'x'.repeat(payloadBytes) } };
        const { status, body } = await exchange(session, 'POST', collection, JSON.stringify(object));
        if (status !== 201) throw new Error(`could not create ${name}: ${status} ${body}`);
      }
    };
    await Promise.all(Array.from({ length: createsAtOnce }, worker));
  } finally {
    session.close();
  }
}

function openSession(port: number): ClientHttp2Session {
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  // Its streams fail with the same error.
  session.on('error', () => {});
  return session;
}

async function get(port: number, path: string): Promise<Buffer> {
  const session = openSession(port);
  try {
    return (await exchange(session, 'GET', path)).body;
  } finally {
    session.close();
  }
}

function exchange(
  session: ClientHttp2Session,
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': method,
      ':path': path,
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      'content-type': 'application/json',
    });
    let status = 0;
    const chunks: Buffer[] = [];
    stream.on('response', (headers) => {
      status = Number(headers[':status']);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve({ status, body: Buffer.concat(chunks) }));
    stream.on('error', reject);
    stream.end(body);
  });
}
