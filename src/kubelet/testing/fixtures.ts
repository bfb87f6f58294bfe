/** What the room's tests are built of: a directory that goes away, pods, and supervision that only pretends. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Container, Pod } from '../pod.ts';
import type { Prober } from '../probes/prober.ts';
import { defaultBackOff } from '../processes/back-off.ts';
import { CheckpointDirectory } from '../processes/checkpoint.ts';
import type { ProcessRuntime } from '../processes/process-runtime.ts';
import type { SupervisionContext } from '../static-pods/container-supervisor.ts';

const directories: string[] = [];
process.once('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** Goes when the test file ends: hooks of the tests that use it run before. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'kubelet-test-'));
  directories.push(directory);
  return directory;
}

export function staticPod(containers: Partial<Container>[], spec: Partial<Pod['spec']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-m1', namespace: 'kube-system', uid: 'uid1' },
    spec: {
      nodeName: 'm1',
      ...spec,
      containers: containers.map((c, i) => ({ name: `c${i}`, command: ['program'], ...c })),
    },
  };
}

export interface RecordedEvent {
  reason: string;
  message: string;
}

export function supervision(
  clock: Clock,
  runtime: ProcessRuntime,
  more: Partial<SupervisionContext> = {},
): SupervisionContext & { events: RecordedEvent[] } {
  const root = temporaryDirectory();
  mkdirSync(join(root, 'pods'));
  const events: RecordedEvent[] = [];
  const healthy: Prober = async () => ({ ok: true, message: '' });
  return {
    clock,
    runtime,
    prober: healthy,
    backOff: defaultBackOff,
    checkpoints: new CheckpointDirectory(root),
    root,
    nodeIP: '127.0.0.1',
    events,
    event: (_pod, _type, reason, message) => void events.push({ reason, message }),
    ...more,
  };
}

/** Polls, because what is waited for has no event of its own; fails after 10 s. */
export async function eventually<T>(look: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
