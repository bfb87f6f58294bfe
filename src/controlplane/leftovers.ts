/**
 * What runs in a data directory without an `up` that looks after it, because that was killed: the store, kubelets, and
 * the pods of kubelets. Found by the run record and by the kubelets' own records, ended or handed on in the order that
 * loses nothing: who restarts others first, the store last.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, sleep } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import { isRunning, type ProcessIdentity, signalProcess } from '#os/process-identity.ts';
import { type DataDir, readRunRecord } from './data-dir.ts';

export interface Leftovers {
  kubelets: ProcessIdentity[];
  pods: ProcessIdentity[];
  stores: ProcessIdentity[];
}

export function leftoversIn(dir: DataDir): Leftovers {
  const processes = (readRunRecord(dir)?.processes ?? []).filter(isRunning);
  return {
    kubelets: processes.filter((p) => !isStore(p)),
    pods: podProcesses(dir),
    stores: processes.filter(isStore),
  };
}

/** `etcd`, or the members `etcd1`, `etcd2` … */
const isStore = ({ name }: { name: string }) => /^etcd\d*$/.test(name);

export function isEmpty({ kubelets, pods, stores }: Leftovers): boolean {
  return kubelets.length + pods.length + stores.length === 0;
}

/** Ends everything, each kubelet with its pods. */
export async function endLeftovers(dir: DataDir, clock: Clock, timeoutMs: number): Promise<void> {
  const { kubelets, stores } = leftoversIn(dir);
  await Promise.all(kubelets.map((p) => end(p, clock, timeoutMs)));
  await endPods(dir, clock, timeoutMs);
  await Promise.all(stores.map((p) => end(p, clock, timeoutMs)));
}

/** To be called when no kubelet runs that would start them again. */
export async function endPods(dir: DataDir, clock: Clock, timeoutMs: number): Promise<void> {
  await Promise.all(podProcesses(dir).map((p) => end(p, clock, timeoutMs)));
}

/** Leaves the pods running: a kubelet that is killed, and not asked to stop, stops none, and its successor adopts them. */
export async function leavePodsToSuccessors(dir: DataDir, clock: Clock): Promise<void> {
  const { kubelets, stores } = leftoversIn(dir);
  await Promise.all(kubelets.map((p) => end(p, clock, 0)));
  await Promise.all(stores.map((p) => end(p, clock)));
}

/** At once, without a chance to tidy up: what is written down survives that, as it survives a power failure. */
export function killLeftovers(dir: DataDir): void {
  const kill = (identity: ProcessIdentity) => signalProcess(identity, 'SIGKILL');
  const { kubelets, stores } = leftoversIn(dir);
  kubelets.forEach(kill);
  podProcesses(dir).forEach(kill);
  stores.forEach(kill);
}

/** SIGTERM, then SIGKILL; with a time-out of 0 only that. For processes that are not our children. */
export async function end(identity: ProcessIdentity, clock: Clock, timeoutMs = 10_000): Promise<void> {
  const signals: [NodeJS.Signals, number][] = [
    ['SIGTERM', timeoutMs],
    ['SIGKILL', 5_000],
  ];
  for (const [name, patienceMs] of signals) {
    if (!isRunning(identity)) return;
    if (patienceMs > 0) signalProcess(identity, name);
    const deadline = clock.monotonic() + patienceMs;
    while (isRunning(identity) && clock.monotonic() < deadline) await sleep(clock, 20);
  }
  if (isRunning(identity))
    throw new OperatorError(`process ${identity.pid} does not end: stop it by hand, then try again`);
}

function podProcesses(dir: DataDir): ProcessIdentity[] {
  const root = join(dir.path, 'kubelet');
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.process.json'))
    .flatMap((file) => identityIn(join(root, file)))
    .filter(isRunning);
}

/** None when its kubelet removed the file just now. */
function identityIn(file: string): ProcessIdentity[] {
  try {
    return [JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity];
  } catch {
    return [];
  }
}
