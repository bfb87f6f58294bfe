/** The kubelet's parts in their order. It needs no API server; `withApi` adds what reports to one. */
import { mkdirSync, realpathSync } from 'node:fs';
import type { Clock } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { ownMetrics } from '#base/own-metrics.ts';
import { type Runnable, runAll } from '#base/runnable.ts';
import { healthzServer } from './healthz.ts';
import { logRotation } from './log-rotation.ts';
import { type Pod, podKey } from './pod.ts';
import { createProber } from './probes/prober.ts';
import type { BackOffPolicy } from './processes/back-off.ts';
import { CheckpointDirectory } from './processes/checkpoint.ts';
import { HostProcesses } from './processes/host-processes.ts';
import { lockRoot } from './processes/root-lock.ts';
import { StaticPods } from './static-pods/static-pods.ts';

export interface KubeletOptions {
  nodeName: string;
  nodeIP: string;
  rootDir: string;
  /** '' : none. */
  manifestDir: string;
  backOff: BackOffPolicy;
  stopPodsOnExit: boolean;
  /** Port 0: none. */
  healthz: { host: string; port: number };
  logs: { maxBytes: number; maxFiles: number };
  clock: Clock;
  log: Logger;
  /** Parts that report the static pods to an API server. */
  withApi?(staticPods: StaticPods): Reporter;
}

/** What the API side gives back: parts to run, and where events go besides the log. */
export interface Reporter {
  parts: Runnable[];
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export async function runKubelet(options: KubeletOptions, signal: AbortSignal): Promise<void> {
  const { nodeName, nodeIP, clock, log } = options;
  const root = ownDirectory(options.rootDir);
  const lock = lockRoot(root);
  const runtime = new HostProcesses(clock);
  try {
    const checkpoints = new CheckpointDirectory(root);
    let reporter: Reporter | undefined;
    const staticPods = new StaticPods({
      context: {
        clock,
        runtime,
        prober: createProber(clock),
        backOff: options.backOff,
        checkpoints,
        root,
        nodeIP,
        event(pod, type, reason, message) {
          const level = type === 'Warning' ? 'warn' : 'info';
          log[level]({ pod: podKey(pod), reason }, message);
          reporter?.event(pod, type, reason, message);
        },
      },
      directory: options.manifestDir,
      nodeName,
      log,
      stopPodsOnExit: options.stopPodsOnExit,
    });
    reporter = options.withApi?.(staticPods);
    const logFiles = () =>
      staticPods
        .pods()
        .flatMap((w) => w.pod.spec.containers.map((c) => checkpoints.logFile(w.pod.metadata.uid!, c.name)));
    const { host, port } = options.healthz;
    await runAll(
      [
        ...(port === 0 ? [] : [healthzServer(host, port, ownMetrics(clock))]),
        ...(reporter?.parts ?? []),
        logRotation({ ...options.logs, clock, log }, logFiles),
        staticPods,
      ],
      signal,
    );
  } finally {
    runtime.close();
    lock.release();
  }
}

/** Resolved, because it is part of what marks a process as ours. */
function ownDirectory(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return realpathSync(directory);
  } catch (cause) {
    throw new OperatorError(`cannot use --root-dir ${directory}: ${messageOf(cause)}`, { cause });
  }
}
