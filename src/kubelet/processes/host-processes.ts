/**
 * Containers as processes of this host. Each is the leader of its own session and process group, so that a signal meant
 * for the kubelet never reaches it and it outlives the kubelet; its output goes straight to its log file, not through
 * the kubelet, for the same reason. When the first process of a container ends, the rest of its group is killed,
 * as the end of a container's first process ends the container.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { assert } from '#base/assert.ts';
import type { Clock, Timer } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import { bootId, isRunning, startTimeOf } from '#os/process-identity.ts';
import { containerVariable } from './container-processes.ts';
import type { ProcessExit, ProcessIdentity, ProcessRuntime, ProcessSpec, RunningProcess } from './process-runtime.ts';

/** How soon the end of an adopted process is noticed; one's own children tell at once. */
const adoptedPollMs = 100;

export class HostProcesses implements ProcessRuntime {
  #clock: Clock;
  #adopted = new Map<AdoptedProcess, (exit: ProcessExit) => void>();
  #poll: Timer | undefined;
  #bootId = bootId();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async start(spec: ProcessSpec): Promise<RunningProcess> {
    const workingDir = spec.workingDir || '/';
    checkDirectory(workingDir);
    const log = openSync(spec.logFile, 'a', 0o640);
    try {
      const child = spawn(spec.command[0]!, spec.command.slice(1), {
        cwd: workingDir,
        env: { ...spec.env, [containerVariable]: spec.containerID },
        detached: true,
        stdio: ['ignore', log, log],
      });
      const exited = new Promise<ProcessExit>((resolve) => {
        child.once('exit', (code, signal) => {
          killGroup(child.pid!);
          const number = signal ? constants.signals[signal] : undefined;
          resolve(number === undefined ? { exitCode: code ?? 0 } : { exitCode: 128 + number, signal: number });
        });
      });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      child.on('error', () => {});
      child.unref();
      const identity = { pid: child.pid!, startTime: startTimeOf(child.pid!) ?? '', bootId: this.#bootId };
      return {
        identity,
        exited,
        terminate: () => child.kill('SIGTERM'),
        kill: () => {
          if (child.exitCode === null && child.signalCode === null) killGroup(identity.pid);
        },
      };
    } catch (error) {
      throw new OperatorError(startFailure(spec.command[0]!, error), { cause: error });
    } finally {
      closeSync(log);
    }
  }

  adopt(identity: ProcessIdentity): RunningProcess | undefined {
    if (identity.bootId !== this.#bootId || startTimeOf(identity.pid) !== identity.startTime) return undefined;
    let resolve!: (exit: ProcessExit) => void;
    const exited = new Promise<ProcessExit>((r) => {
      resolve = r;
    });
    const adopted = new AdoptedProcess(identity, exited);
    this.#adopted.set(adopted, resolve);
    this.#poll ??= this.#clock.setTimer(adoptedPollMs, this.#pollAdopted);
    return adopted;
  }

  /** Stops looking at adopted processes; they keep running. */
  close(): void {
    this.#poll?.cancel();
    this.#adopted.clear();
  }

  #pollAdopted = (): void => {
    for (const [process, resolve] of this.#adopted) {
      if (isRunning(process.identity)) continue;
      this.#adopted.delete(process);
      killGroup(process.identity.pid);
      resolve({ exitCode: undefined });
    }
    this.#poll = this.#adopted.size > 0 ? this.#clock.setTimer(adoptedPollMs, this.#pollAdopted) : undefined;
  };
}

class AdoptedProcess implements RunningProcess {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<ProcessExit>;

  constructor(identity: ProcessIdentity, exited: Promise<ProcessExit>) {
    this.identity = identity;
    this.exited = exited;
  }

  terminate(): void {
    if (isRunning(this.identity)) signal(this.identity.pid, 'SIGTERM');
  }

  kill(): void {
    if (isRunning(this.identity)) killGroup(this.identity.pid);
  }
}

export function killGroup(leader: number): void {
  assert(Number.isInteger(leader) && leader > 1, `no process group of ours: ${leader}`);
  signal(-leader, 'SIGKILL');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already, which is what was wanted.
  }
}

function checkDirectory(directory: string): void {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw new OperatorError(`workingDir ${directory} is no directory`);
}

function startFailure(program: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof OperatorError) return error.message;
  if (code === 'ENOENT') return `${program}: no such program on this host`;
  if (code === 'EACCES') return `${program}: not executable`;
  return `${program}: ${messageOf(error)}`;
}
