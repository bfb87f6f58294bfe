import type { Runnable } from '#base/runnable.ts';
import type { ApiClient } from '#client/client.ts';

/** Closes the client at the end. Listed after its users, it is stopped before them: no hanging request holds them up. */
export function apiConnection(client: ApiClient): Runnable {
  return {
    name: 'api-connection',
    run: (signal) =>
      new Promise((resolve) => {
        const close = () => {
          client.close();
          resolve();
        };
        signal.addEventListener('abort', close, { once: true });
        if (signal.aborted) close();
      }),
  };
}
