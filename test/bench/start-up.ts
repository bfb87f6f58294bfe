/** How long until something works, and what it weighs when it then rests. */
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  evenkeel,
  evenkeelCommand,
  execute,
  freePort,
  kubectlPath,
  temporaryDirectory,
} from '../system/control-plane.ts';
import { startApiServer } from './api-server.ts';
import { median, memoryOf, processesWith } from './processes.ts';

const idleMs = 10_000;
const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function apiServerStart(runs: number): Promise<{ readyMs: number; rssMb: number }> {
  const times: number[] = [];
  let rssMb = 0;
  for (let i = 0; i < runs; i++) {
    const server = await startApiServer();
    times.push(server.readyMs);
    if (i === runs - 1) {
      await rest(idleMs);
      rssMb = memoryOf(server.pid).rssMb;
    }
    await server.stop();
  }
  return { readyMs: median(times), rssMb };
}

export async function controlPlaneStart(
  runs: number,
): Promise<{ firstKubectlMs: number; rssMb: number; pssMb: number }> {
  const times: number[] = [];
  let memory = { rssMb: 0, pssMb: 0 };
  for (let i = 0; i < runs; i++) {
    const dataDir = join(temporaryDirectory(), 'data');
    const port = await freePort();
    const startedAt = performance.now();
    const command = [...evenkeelCommand, 'up', '--data-dir', dataDir, '--port', String(port)];
    const up = spawn(command[0]!, command.slice(1), { stdio: 'ignore' });
    times.push(await firstKubectl(join(dataDir, 'kubeconfig'), startedAt));
    if (i === runs - 1) {
      await rest(idleMs);
      memory = wholeStack(dataDir, port);
    }
    const ended = new Promise((resolve) => up.once('exit', resolve));
    up.kill('SIGINT');
    await ended;
    await evenkeel(['down', '--data-dir', dataDir]);
    rmSync(dataDir, { recursive: true, force: true });
  }
  return { firstKubectlMs: median(times), ...memory };
}

async function firstKubectl(kubeconfig: string, startedAt: number): Promise<number> {
  while (performance.now() - startedAt < 60_000) {
    if (existsSync(kubeconfig)) {
      const { code } = await execute([kubectlPath, 'get', 'namespaces'], { KUBECONFIG: kubeconfig });
      if (code === 0) return performance.now() - startedAt;
    }
    await rest(20);
  }
  throw new Error('kubectl never succeeded');
}

function wholeStack(dataDir: string, port: number): { rssMb: number; pssMb: number } {
  const pids = new Set([...processesWith(dataDir), ...processesWith(`127.0.0.1:${port}`)].map((p) => p.pid));
  let [rssMb, pssMb] = [0, 0];
  for (const pid of pids) {
    const memory = memoryOf(pid);
    rssMb += memory.rssMb;
    pssMb += memory.pssMb;
  }
  return { rssMb, pssMb };
}
