import { once } from 'node:events';
import { createServer } from 'node:net';

/** Away from where the kernel takes ports for outgoing connections (Linux: 32768 and up). */
const range = { from: 10_000, ports: 20_000 };

/**
 * A port that is free, and stays so while a server on it is killed and started again: one of the kernel's own choice may
 * be taken meanwhile by anybody's connection.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = range.from + Math.floor(Math.random() * range.ports);
    const server = createServer();
    const isFree = once(server.listen(port, host), 'listening').then(
      () => true,
      () => false,
    );
    if (!(await isFree)) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
