/**
 * Reads a component's /metrics. Over one connection, kept from one scrape to the next: behind a load balancer they are
 * of the same server then. What does not answer is a finding, not an error.
 */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from '#base/clock.ts';
import { type MetricSample, parseMetrics } from './metrics-text.ts';

export interface ScrapeTarget {
  job: string;
  /** `master1` */
  instance: string;
  url: string;
  /** PEM. */
  tls?: { ca?: string; cert?: string; key?: string; servername?: string; rejectUnauthorized?: boolean };
  token?: string;
}

export type Scrape =
  | { state: 'up'; samples: MetricSample[] }
  /** Nothing answers, or not in time, or with an error. */
  | { state: 'down'; why: string }
  /** It is there, but does not let us in, or we do not trust it. */
  | { state: 'refused'; why: string };

export interface Scraper {
  readonly target: ScrapeTarget;
  scrape(signal: AbortSignal): Promise<Scrape>;
  close(): void;
}

const timeoutMs = 5_000;
const bytesMax = 64 << 20;

export function createScraper(target: ScrapeTarget, clock: Clock): Scraper {
  const isTls = target.url.startsWith('https:');
  const options = { keepAlive: true, maxSockets: 1 };
  const agent = isTls ? new HttpsAgent({ ...options, ...target.tls }) : new HttpAgent(options);
  const request = isTls ? httpsRequest : httpRequest;
  const headers = target.token === undefined ? {} : { authorization: `Bearer ${target.token}` };
  return {
    target,
    close: () => agent.destroy(),
    async scrape(signal) {
      const first = await once(signal);
      // It was closed while it lay idle: that tells nothing of the server.
      const second = first === 'stale connection' ? await once(signal) : first;
      return second === 'stale connection' ? { state: 'down', why: second } : second;
    },
  };

  function once(signal: AbortSignal): Promise<Scrape | 'stale connection'> {
    return new Promise((resolve) => {
      const settle = (scrape: Scrape | 'stale connection') => {
        timer.cancel();
        resolve(scrape);
      };
      const req = request(target.url, { agent, headers, signal }, (res) => {
        const pieces: Buffer[] = [];
        let bytes = 0;
        res.on('data', (piece: Buffer) => {
          pieces.push(piece);
          bytes += piece.length;
          if (bytes > bytesMax) req.destroy(new Error(`more than ${bytesMax} bytes of metrics`));
        });
        res.on('error', (error) => settle({ state: 'down', why: error.message }));
        res.on('end', () => settle(answered(res.statusCode ?? 0, () => Buffer.concat(pieces).toString('utf8'))));
      });
      const timer = clock.setTimer(timeoutMs, () => req.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
      req.on('error', (error: NodeJS.ErrnoException) =>
        settle(req.reusedSocket && error.code === 'ECONNRESET' ? 'stale connection' : failed(error)),
      );
      req.end();
    });
  }
}

function answered(status: number, text: () => string): Scrape {
  if (status === 200) return { state: 'up', samples: parseMetrics(text()) };
  if (status === 401 || status === 403) return { state: 'refused', why: `it answers ${status}` };
  return { state: 'down', why: `it answers ${status}` };
}

function failed(error: NodeJS.ErrnoException): Scrape {
  const { code = '' } = error;
  const isTrust = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)/.test(code);
  if (isTrust) return { state: 'refused', why: `TLS: ${error.message}` };
  return { state: 'down', why: code === 'ECONNREFUSED' ? 'nothing listens there' : error.message };
}
