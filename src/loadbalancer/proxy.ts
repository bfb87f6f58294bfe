/**
 * Carries one client connection to one backend, byte for byte. Until the first byte has been sent on, a backend that
 * cannot be reached costs the client nothing: the next one is tried at once.
 */
import { connect, type Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';
import type { Backend } from './backend.ts';

export interface ProxyOptions {
  connectTimeoutMs: number;
}

export async function proxy(
  client: Socket,
  candidates: readonly Backend[],
  options: ProxyOptions,
  clock: Clock,
): Promise<void> {
  client.setNoDelay(true);
  client.on('error', () => client.destroy());
  for (const backend of candidates) {
    const server = await open(backend, options.connectTimeoutMs, clock);
    if (client.destroyed) {
      server?.destroy();
      return;
    }
    if (server) return join(client, server, backend);
  }
  client.resetAndDestroy();
}

function open(backend: Backend, timeoutMs: number, clock: Clock): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const { host, port } = backend.address;
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    const fail = () => {
      timer.cancel();
      backend.connectErrorsTotal++;
      backend.onDoubt();
      socket.destroy();
      resolve(undefined);
    };
    const timer = clock.setTimer(timeoutMs, fail);
    socket.once('error', fail);
    socket.once('connect', () => {
      timer.cancel();
      socket.removeListener('error', fail);
      resolve(socket);
    });
  });
}

function join(client: Socket, server: Socket, backend: Backend): void {
  backend.connections.add(server);
  backend.connectionsTotal++;
  const close = () => {
    backend.connections.delete(server);
    server.destroy();
    client.destroy();
  };
  // A reset is passed on as a reset: half of an answer must not look like a whole one.
  server.on('error', () => {
    backend.onDoubt();
    client.resetAndDestroy();
    close();
  });
  // Clients end connections, a server that does may be gone.
  server.on('end', () => {
    if (!client.readableEnded) backend.onDoubt();
  });
  client.on('error', () => server.resetAndDestroy());
  server.on('close', close);
  client.on('close', close);
  client.pipe(server);
  server.pipe(client);
}
