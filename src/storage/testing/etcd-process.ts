import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import { createEtcdClient, type EtcdClient } from '#etcd/client.ts';
import { realClock } from '#os/real-clock.ts';

/** A server with etcd's protocol and flags in its own process and directory. */
export interface EtcdProcess {
  endpoint: string;
  client(): EtcdClient;
  /** As kill -9 does. */
  kill(): Promise<void>;
  /** On the kept data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** `command` and its first arguments: `['etcd']`, or `[process.execPath, 'bin/etcd.ts']`. */
export async function startEtcd(command: readonly [string, ...string[]]): Promise<EtcdProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'evenkeel-storage-'));
  const [clientPort, peerPort] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const clients: EtcdClient[] = [];
  let child: ChildProcess;

  const newClient = () => newEtcdClient(endpoint);
  const start = async () => {
    const [file, ...args] = command;
    const flags = ['--name', 'one', '--data-dir', join(directory, 'data')];
    flags.push('--listen-client-urls', endpoint, '--advertise-client-urls', endpoint);
    flags.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `one=${peer}`);
    child = spawn(file, [...args, ...flags], { stdio: 'ignore' });
    const probe = newClient();
    try {
      await probe.status({ timeoutMs: 15_000 });
    } finally {
      probe.close();
    }
  };
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  await start();
  return {
    endpoint,
    client() {
      const client = newClient();
      clients.push(client);
      return client;
    },
    kill,
    restart: start,
    async close() {
      for (const client of clients) client.close();
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function newEtcdClient(endpoint: string): EtcdClient {
  return createEtcdClient({ endpoints: [endpoint], clock: realClock, log: silentLogger, requestTimeoutMs: 10_000 });
}
