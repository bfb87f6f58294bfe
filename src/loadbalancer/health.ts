/**
 * Active checks: GET `path` over TLS on a kept-alive connection, per backend, every `intervalMs`, and at once when a
 * connection gave a reason for doubt. The certificate is not verified: the check asks whether the server is ready,
 * clients verify who it is, end to end.
 */
import { Agent, request } from 'node:https';
import { type Clock, sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Backend, CheckResult } from './backend.ts';

export interface HealthOptions {
  path: string;
  intervalMs: number;
  timeoutMs: number;
  rise: number;
  fall: number;
}

/** A backend whose check takes longer is passed over for new connections, where others are not late. */
const lateMs = 300;

export async function checkHealth(
  backend: Backend,
  options: HealthOptions,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  // It trusts nobody and verifies nothing: no use in loading the authorities of the world.
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, ca: [] });
  let pause = new AbortController();
  backend.onDoubt = () => pause.abort();
  const onAbort = () => {
    pause.abort();
    agent.destroy(); // A check that waits for a frozen backend must not keep this process from ending.
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    while (!signal.aborted) {
      pause = new AbortController();
      const result = await probe(backend, options, agent, clock);
      if (signal.aborted) return;
      if (backend.observe(result, options.rise, options.fall)) {
        log.info({ backend: backend.address.name, state: backend.state }, 'backend changed state');
      }
      await sleep(clock, options.intervalMs, pause.signal);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    agent.destroy();
  }
}

function probe(backend: Backend, options: HealthOptions, agent: Agent, clock: Clock): Promise<CheckResult> {
  const { host, port } = backend.address;
  return new Promise((resolve) => {
    const req = request({ host, port, path: options.path, agent, headers: { 'user-agent': 'evenkeel-lb' } }, (res) => {
      res.resume();
      res.on('close', () => settle(res.statusCode === 200 ? 'ok' : 'not-ready'));
    });
    const late = clock.setTimer(Math.min(lateMs, options.timeoutMs), () => {
      backend.isLate = true;
    });
    const timer = clock.setTimer(options.timeoutMs, () => req.destroy(new Error('timed out')));
    const settle = (result: CheckResult) => {
      late.cancel();
      timer.cancel();
      resolve(result);
    };
    req.on('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ECONNREFUSED' ? 'refused' : 'silent'));
    req.end();
  });
}
