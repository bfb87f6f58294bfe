/** Ends a control plane from outside: its `up`, or, when that was killed, what it left running. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { type DataDir, readRunRecord, readState, removeRunRecord } from './data-dir.ts';
import { isRunning, type ProcessIdentity } from './process-identity.ts';
import { end } from './up.ts';

/** False when nothing ran. */
export async function down(dir: DataDir, clock: Clock, timeoutMs: number): Promise<boolean> {
  readState(dir);
  const record = readRunRecord(dir);
  if (!record) return false;
  const wasRunning = [record.supervisor, ...record.processes].some(isRunning);
  await end(record.supervisor, clock, timeoutMs);
  // A supervisor that ended by itself has stopped them all; a killed one has not.
  const left = record.processes.filter(isRunning);
  const [stores, kubelets] = [left.filter((p) => p.name === 'etcd'), left.filter((p) => p.name !== 'etcd')];
  await Promise.all(kubelets.map((p) => end(p, clock, timeoutMs)));
  for (const pod of podProcesses(dir)) await end(pod, clock);
  await Promise.all(stores.map((p) => end(p, clock)));
  removeRunRecord(dir);
  return wasRunning;
}

/** What killed kubelets left running, by their own records. */
function podProcesses(dir: DataDir): ProcessIdentity[] {
  const root = join(dir.path, 'kubelet');
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.process.json'))
    .map((file) => JSON.parse(readFileSync(join(root, file), 'utf8')) as ProcessIdentity)
    .filter(isRunning);
}
