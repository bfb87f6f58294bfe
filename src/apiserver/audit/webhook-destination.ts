/**
 * The backend `webhook`: lists of events, sent to the server that a kubeconfig names. Whatever goes wrong is tried again
 * a few times, ever later: a receiver that comes back soon misses nothing.
 */
import http from 'node:http';
import https from 'node:https';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import { type ClientConfig, parseKubeconfig } from '#client/kubeconfig.ts';
import { readFileOf } from '../serving/server-files.ts';
import type { Destination } from './backend.ts';

/** Upstream's back-off. */
const retry = { attemptsMax: 5, factor: 1.5, jitter: 0.2 };
const requestTimeoutMs = 30_000;
const batchesUnderWayMax = 4;
const socketsMax = 64;

export async function webhookDestination(
  configFile: string,
  initialBackoffMs: number,
  context: { clock: Clock; random: () => number },
): Promise<Destination> {
  const { clock, random } = context;
  const config = await readConfig(configFile, clock);
  const post = createPoster(config);
  const closing = new AbortController();
  const send = async (events: readonly string[]): Promise<void> => {
    const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${events.join(',')}]}`;
    for (let attempt = 1, delayMs = initialBackoffMs; ; attempt++, delayMs *= retry.factor) {
      try {
        return await post(body);
      } catch (error) {
        if (attempt === retry.attemptsMax || closing.signal.aborted) throw error;
      }
      await sleep(clock, delayMs * (1 + retry.jitter * random()), closing.signal);
    }
  };
  return {
    plugin: 'webhook',
    concurrency: batchesUnderWayMax,
    takeMax: 1,
    takeBytesMax: Number.POSITIVE_INFINITY,
    gatherMs: 0,
    isOrdered: false,
    writeNow: send,
    write: send,
    async close() {
      closing.abort();
      post.close();
    },
  };
}

async function readConfig(path: string, clock: Clock): Promise<ClientConfig> {
  const text = readFileOf('audit-webhook-config-file', path);
  try {
    return await parseKubeconfig(text, path, undefined, clock);
  } catch (cause) {
    throw new OperatorError(`${path} of --audit-webhook-config-file is no good: ${messageOf(cause)}`, { cause });
  }
}

type Poster = ((body: string) => Promise<void>) & { close(): void };

function createPoster(config: ClientConfig): Poster {
  const url = new URL(config.server);
  const isTls = url.protocol === 'https:';
  const limits = { keepAlive: true, maxSockets: socketsMax };
  const agent = isTls
    ? new https.Agent({
        ...limits,
        ...(config.ca ? { ca: config.ca } : {}),
        ...(config.cert && config.key ? { cert: config.cert, key: config.key } : {}),
        ...(config.serverName ? { servername: config.serverName } : {}),
        rejectUnauthorized: !config.insecureSkipVerify,
      })
    : new http.Agent(limits);
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(config.token ? { authorization: `Bearer ${config.token}` } : {}),
  };
  const post = (body: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = (isTls ? https : http).request(
        url,
        {
          method: 'POST',
          agent,
          timeout: requestTimeoutMs,
          headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        },
        (response) => {
          const status = response.statusCode ?? 0;
          response.resume();
          response.on('error', reject);
          response.on('end', () => {
            if (status >= 200 && status < 300) resolve();
            else reject(new Error(`the audit webhook answered ${status}`));
          });
        },
      );
      request.on('timeout', () => request.destroy(new Error('the audit webhook did not answer in time')));
      request.on('error', reject);
      request.end(body);
    });
  return Object.assign(post, { close: () => agent.destroy() });
}
