import { createServer } from 'node:http';
import { OperatorError } from '#base/errors.ts';
import type { Runnable } from '#base/runnable.ts';

/** The plain HTTP port that tells the kubelet is alive, as upstream's 10248; `metrics` are at /metrics. */
export function healthzServer(host: string, port: number, metrics: () => string): Runnable {
  return {
    name: 'healthz',
    run: (signal) =>
      new Promise((resolve, reject) => {
        const server = createServer((request, response) => {
          const path = request.url?.split('?')[0] ?? '';
          if (path === '/metrics') {
            response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
            return void response.end(metrics());
          }
          const isKnown = ['/healthz', '/livez', '/readyz'].includes(path);
          response.writeHead(isKnown ? 200 : 404, { 'Content-Type': 'text/plain; charset=utf-8' });
          response.end(isKnown ? 'ok' : 'not found\n');
        });
        const stop = () => {
          server.closeAllConnections();
          server.close(() => resolve());
        };
        server.once('error', (error: NodeJS.ErrnoException) =>
          reject(
            error.code === 'EADDRINUSE'
              ? new OperatorError(`port ${port} of ${host} is in use: choose another with --healthz-port (0: none)`)
              : new OperatorError(`cannot listen on ${host}:${port} for /healthz: ${error.message}`),
          ),
        );
        server.listen(port, host, () => {
          signal.addEventListener('abort', stop, { once: true });
          if (signal.aborted) stop();
        });
      }),
  };
}
