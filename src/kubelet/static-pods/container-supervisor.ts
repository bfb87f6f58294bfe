/**
 * Keeps one container of a static pod running: adopts or starts its process, probes it, notes how it ended, waits, and
 * starts it again as the pod's restart policy says. One loop, `run`, holds the story; everything else wakes it.
 */
import { createHash, randomUUID } from 'node:crypto';
import { type Clock, sleep, type Timer } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import { invocationOf } from '../environment.ts';
import {
  type Container,
  type ContainerState,
  type ContainerStatus,
  type ContainerTermination,
  gracePeriodSeconds,
  type Pod,
  timestamp,
} from '../pod.ts';
import { ProbeWorker } from '../probes/probe-worker.ts';
import type { Prober } from '../probes/prober.ts';
import { type BackOffPolicy, nextBackOff } from '../processes/back-off.ts';
import type { CheckpointDirectory, ContainerCheckpoint } from '../processes/checkpoint.ts';
import type { ProcessExit, ProcessRuntime, RunningProcess } from '../processes/process-runtime.ts';
import { containerPrefix } from '../processes/stray-processes.ts';

export interface SupervisionContext {
  clock: Clock;
  runtime: ProcessRuntime;
  prober: Prober;
  backOff: BackOffPolicy;
  checkpoints: CheckpointDirectory;
  /** Of the kubelet: part of every container's ID. */
  root: string;
  nodeIP: string;
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** A process this young is not called unhealthy for not listening yet. */
const startingMs = 1000;

export class ContainerSupervisor {
  readonly container: Container;
  #context: SupervisionContext;
  #pod: Pod;
  #isInit: boolean;
  #onChange: () => void;
  #record: ContainerCheckpoint;
  #state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  #process: RunningProcess | undefined;
  #probes: ProbeWorker | undefined;
  #stopGraceMs: number | undefined;
  #isRestartAsked = false;
  #isLeft = false;
  #wake = new AbortController();
  #killTimer: Timer | undefined;
  #killAt = Number.POSITIVE_INFINITY;

  constructor(context: SupervisionContext, pod: Pod, container: Container, isInit: boolean, onChange: () => void) {
    this.#context = context;
    this.#pod = pod;
    this.container = container;
    this.#isInit = isInit;
    this.#onChange = onChange;
    const containerHash = createHash('sha256').update(JSON.stringify(container)).digest('hex').slice(0, 16);
    const known = context.checkpoints.readContainer(pod.metadata.uid!, container.name);
    this.#record =
      known?.containerHash === containerHash
        ? known
        : { containerID: '', podUid: pod.metadata.uid!, containerHash, restartCount: 0, backOffMs: 0, startedAt: 0 };
  }

  /** Takes over the process that an earlier kubelet left. To be called before `run`, once. */
  adopt(): void {
    const { process, containerID } = this.#record;
    if (!process) return;
    this.#process = this.#context.runtime.adopt(process);
    if (this.#process) return;
    // It ended while no kubelet was looking: noted as such, and started again without a wait that nobody asked for.
    this.#record.lastTermination = this.#termination({ exitCode: undefined });
    this.#record.process = undefined;
    this.#context.event(this.#pod, 'Warning', 'ContainerLost', `Container ${publicID(containerID)} is gone`);
  }

  /** Resolves when the container has ended for good. With `adoptedOnly` nothing new is started. */
  async run(adoptedOnly: boolean): Promise<void> {
    let isAdopted = this.#process !== undefined;
    if (!isAdopted && (this.#record.done || adoptedOnly))
      return this.#become({ terminated: this.#record.lastTermination });
    while (this.#stopGraceMs === undefined && !this.#isLeft) {
      if (!isAdopted && !(await this.#start())) return;
      if (this.#process) this.#ended(await this.#supervise(this.#process, isAdopted));
      isAdopted = false;
      if (!this.#wantsRestart()) break;
      await this.#waitForRestart();
    }
    if (this.#stopGraceMs === undefined && !this.#isLeft) this.#save({ done: true });
  }

  /** Called again with less time it is heeded. `run` resolves when it is over. */
  stop(graceMs: number): void {
    this.#stopGraceMs = graceMs;
    this.#wake.abort();
    this.#endProcess(graceMs);
  }

  /** Ends the process; a new one follows without back-off. */
  restart(graceMs: number): void {
    this.#isRestartAsked = true;
    this.#wake.abort();
    this.#endProcess(graceMs);
  }

  /** Ends supervision; the process goes on, for a successor to adopt. */
  leave(): void {
    this.#isLeft = true;
    this.#probes?.stop();
    this.#killTimer?.cancel();
    this.#wake.abort();
  }

  /** '' when no process runs. */
  get containerID(): string {
    return this.#process ? this.#record.containerID : '';
  }

  get succeeded(): boolean {
    return this.#state.terminated?.exitCode === 0;
  }

  status(): ContainerStatus {
    const { restartCount, containerID, lastTermination } = this.#record;
    const isRunning = this.#state.running !== undefined;
    const isLastShown = this.#state.terminated === undefined && lastTermination !== undefined;
    return {
      name: this.container.name,
      state: this.#state,
      lastState: isLastShown ? { terminated: lastTermination } : {},
      ready: this.#isInit ? this.succeeded : isRunning && this.#probes?.ready === true,
      restartCount,
      image: this.container.image ?? '',
      imageID: '',
      ...(containerID === '' ? {} : { containerID: publicID(containerID) }),
      started: isRunning && this.#probes?.started === true,
    };
  }

  /** False when the container can never start. */
  async #start(): Promise<boolean> {
    const { runtime, nodeIP, checkpoints, clock, event, root } = this.#context;
    const { name, workingDir = '' } = this.container;
    const { command, env } = invocationOf(this.#pod, this.container, nodeIP);
    if (!this.container.command?.length) {
      const message = `container ${name} has no command: images are not run here, give the path of a program on this host`;
      event(this.#pod, 'Warning', 'Failed', message);
      this.#become({ waiting: { reason: 'ImageInspectError', message } });
      return false;
    }
    const record = this.#record;
    if (record.startedAt !== 0) record.restartCount++;
    record.containerID = `${containerPrefix(root)}${randomUUID().replaceAll('-', '')}`;
    record.startedAt = clock.now();
    this.#isRestartAsked = false;
    try {
      const logFile = checkpoints.logFile(this.#pod.metadata.uid!, name);
      this.#process = await runtime.start({ command, env, workingDir, logFile, containerID: record.containerID });
    } catch (error) {
      const at = timestamp(clock.now());
      const message = messageOf(error);
      event(this.#pod, 'Warning', 'Failed', `Error: ${message}`);
      this.#save({
        process: undefined,
        lastTermination: { exitCode: 128, reason: 'StartError', message, startedAt: at, finishedAt: at },
      });
      return true;
    }
    this.#save({ process: this.#process.identity });
    event(this.#pod, 'Normal', 'Started', `Container ${name} started as process ${this.#process.identity.pid}`);
    if (this.#stopGraceMs !== undefined) this.#endProcess(this.#stopGraceMs);
    return true;
  }

  async #supervise(process: RunningProcess, isAdopted: boolean): Promise<ProcessExit> {
    const { clock, prober, nodeIP, event } = this.#context;
    const { env } = invocationOf(this.#pod, this.container, nodeIP);
    if (!this.#isInit) {
      const target = { container: this.container, podIP: nodeIP, env };
      const listener = {
        changed: this.#onChange,
        unhealthy: (kind: string, message: string, reached: boolean) => {
          const isStarting = clock.now() - this.#record.startedAt < startingMs;
          if (reached || !isStarting) event(this.#pod, 'Warning', 'Unhealthy', `${kind} probe failed: ${message}`);
          if (!reached || kind === 'readiness') return;
          const probe = kind === 'liveness' ? this.container.livenessProbe : this.container.startupProbe;
          event(
            this.#pod,
            'Normal',
            'Killing',
            `Container ${this.container.name} failed ${kind} probe, will be restarted`,
          );
          this.#endProcess((probe?.terminationGracePeriodSeconds ?? gracePeriodSeconds(this.#pod)) * 1000);
        },
      };
      this.#probes = new ProbeWorker(clock, prober, target, listener, isAdopted);
    }
    this.#become({ running: { startedAt: timestamp(this.#record.startedAt) } });
    return process.exited;
  }

  #ended(exit: ProcessExit): void {
    this.#probes?.stop();
    this.#probes = undefined;
    this.#process = undefined;
    this.#killTimer?.cancel();
    this.#killAt = Number.POSITIVE_INFINITY;
    const terminated = this.#termination(exit);
    this.#save({ process: undefined, lastTermination: terminated });
    this.#become({ terminated });
    const how = terminated.signal ? `was ended by signal ${terminated.signal}` : `exited with ${terminated.exitCode}`;
    this.#context.event(this.#pod, 'Normal', 'Died', `Container ${this.container.name} ${how}`);
  }

  #termination(exit: ProcessExit): ContainerTermination {
    const { startedAt, containerID } = this.#record;
    const isUnknown = exit.exitCode === undefined;
    const exitCode = exit.exitCode ?? 137;
    return {
      exitCode,
      ...(exit.signal ? { signal: exit.signal } : {}),
      reason: isUnknown ? 'ContainerStatusUnknown' : exitCode === 0 ? 'Completed' : 'Error',
      ...(isUnknown ? { message: 'its exit status went to an earlier kubelet' } : {}),
      startedAt: timestamp(startedAt),
      finishedAt: timestamp(this.#context.clock.now()),
      containerID: publicID(containerID),
    };
  }

  #wantsRestart(): boolean {
    if (this.#stopGraceMs !== undefined || this.#isLeft) return false;
    if (this.#isRestartAsked) return true;
    const failed = this.#record.lastTermination?.exitCode !== 0;
    const policy = this.#pod.spec.restartPolicy ?? 'Always';
    if (this.#isInit || policy === 'OnFailure') return failed && policy !== 'Never';
    return policy === 'Always';
  }

  async #waitForRestart(): Promise<void> {
    const { clock, backOff, event } = this.#context;
    this.#wake = new AbortController();
    if (this.#isRestartAsked) return;
    // On the wall clock, because a run may span several kubelets.
    const ranMs = clock.now() - this.#record.startedAt;
    const backOffMs = nextBackOff(backOff, this.#record.backOffMs, ranMs);
    this.#save({ backOffMs });
    const message = `back-off ${backOffMs / 1000}s restarting failed container=${this.container.name}`;
    this.#become({ waiting: { reason: 'CrashLoopBackOff', message } });
    event(this.#pod, 'Warning', 'BackOff', message);
    await sleep(clock, backOffMs, this.#wake.signal);
  }

  #endProcess(graceMs: number): void {
    const { clock } = this.#context;
    const process = this.#process;
    if (!process) return;
    if (graceMs <= 0) {
      process.kill();
      return;
    }
    if (this.#killAt === Number.POSITIVE_INFINITY) process.terminate();
    const killAt = clock.monotonic() + graceMs;
    if (killAt >= this.#killAt) return;
    this.#killAt = killAt;
    this.#killTimer?.cancel();
    this.#killTimer = clock.setTimer(graceMs, () => process.kill());
  }

  #become(state: ContainerState): void {
    this.#state = state;
    this.#onChange();
  }

  #save(changes: Partial<ContainerCheckpoint>): void {
    Object.assign(this.#record, changes);
    try {
      this.#context.checkpoints.writeContainer(this.container.name, this.#record);
    } catch (error) {
      // A full disk costs a successor its adoption; it must not cost this container its supervision.
      this.#context.event(this.#pod, 'Warning', 'CheckpointFailed', messageOf(error));
    }
  }
}

/** As clients see it: the runtime's scheme and the incarnation, without the path on this host. */
function publicID(containerID: string): string {
  return `evenkeel://${containerID.slice(containerID.lastIndexOf('#') + 1)}`;
}
