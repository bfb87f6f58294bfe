/**
 * Active checks: GET `path` over TLS on a kept-alive connection, per backend, every `intervalMs`. The certificate is
 * not verified: the check asks whether the server is ready, clients verify who it is, end to end.
 */
import { Agent, request } from 'node:https';
import { type Clock, sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Backend } from './backend.ts';

export interface HealthOptions {
  path: string;
  intervalMs: number;
  timeoutMs: number;
  rise: number;
  fall: number;
}

export async function checkHealth(
  backend: Backend,
  options: HealthOptions,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  try {
    while (!signal.aborted) {
      const result = await probe(backend, options, agent, clock);
      if (signal.aborted) return;
      if (backend.observe(result, options.rise, options.fall)) {
        log.info({ backend: backend.address.name, state: backend.state }, 'backend changed state');
      }
      await sleep(clock, options.intervalMs, signal);
    }
  } finally {
    agent.destroy();
  }
}

function probe(
  backend: Backend,
  options: HealthOptions,
  agent: Agent,
  clock: Clock,
): Promise<'ok' | 'refused' | 'not-ready'> {
  const { host, port } = backend.address;
  return new Promise((resolve) => {
    const req = request({ host, port, path: options.path, agent, headers: { 'user-agent': 'evenkeel-lb' } }, (res) => {
      res.resume();
      res.on('close', () => settle(res.statusCode === 200 ? 'ok' : 'not-ready'));
    });
    const timer = clock.setTimer(options.timeoutMs, () => req.destroy(new Error('timed out')));
    const settle = (result: 'ok' | 'refused' | 'not-ready') => {
      timer.cancel();
      resolve(result);
    };
    req.on('error', () => settle('refused'));
    req.end();
  });
}
