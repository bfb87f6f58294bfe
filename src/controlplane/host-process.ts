/**
 * Keeps one process of the control plane running: the store and the kubelets, which nobody else restarts. Each runs in
 * a session of its own (Ctrl-C in the terminal reaches `up` alone) and logs to a file, so that it outlives a killed `up`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { type Clock, sleep } from '#base/clock.ts';
import { type ProcessIdentity, startTimeOf } from '#os/process-identity.ts';

export interface HostProcessOptions {
  name: string;
  /** Asked before every start. */
  command(): readonly string[];
  logFile: string;
  env?: NodeJS.ProcessEnv;
  /** Before every start; when it rejects, the start is put off. */
  prepare?(): Promise<void>;
  /** Told why a start was put off. */
  onPutOff?(error: unknown): void;
  /** Told of every start, so that the run record names the living. */
  onStart(identity: ProcessIdentity): void;
  /** Told of every end that was not asked for. */
  onCrash(code: number | null, signal: NodeJS.Signals | null): void;
  /** How long a process may take to end after SIGTERM before it is killed. */
  stopTimeoutMs: number;
}

/** Restarts after a crash wait this long, doubling up to the maximum; a run of a minute starts over. */
const backoffMs = { initial: 100, max: 10_000, resetAfter: 60_000 };

export class HostProcess {
  readonly name: string;
  readonly #options: HostProcessOptions;
  readonly #clock: Clock;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(options: HostProcessOptions, clock: Clock) {
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
  }

  start(): void {
    this.#exited = this.#supervise();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#child;
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const kill = this.#clock.setTimer(this.#options.stopTimeoutMs, () => child.kill('SIGKILL'));
      await this.#exited;
      kill.cancel();
    }
  }

  async #supervise(): Promise<void> {
    let delay = backoffMs.initial;
    while (!this.#isStopping) {
      try {
        await this.#options.prepare?.();
        if (this.#isStopping) return;
      } catch (error) {
        if (this.#isStopping) return;
        this.#options.onPutOff?.(error);
        await sleep(this.#clock, delay);
        delay = Math.min(delay * 2, backoffMs.max);
        continue;
      }
      const startedAt = this.#clock.monotonic();
      const { code, signal } = await this.#runOnce();
      if (this.#isStopping) return;
      this.#options.onCrash(code, signal);
      if (this.#clock.monotonic() - startedAt > backoffMs.resetAfter) delay = backoffMs.initial;
      await sleep(this.#clock, delay);
      delay = Math.min(delay * 2, backoffMs.max);
    }
  }

  #runOnce(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const { logFile, env } = this.#options;
    const command = this.#options.command();
    const log = openLog(logFile);
    const child = spawn(command[0]!, command.slice(1), {
      detached: true,
      stdio: ['ignore', log, log],
      ...(env ? { env } : {}),
    });
    if (log !== 'ignore') closeSync(log);
    this.#child = child;
    if (child.pid !== undefined) this.#options.onStart({ pid: child.pid, startTime: startTimeOf(child.pid) ?? '' });
    return new Promise((resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
  }
}

/** Where no log can be made, on a full disk for one, the process runs without. */
function openLog(file: string): number | 'ignore' {
  try {
    return openSync(file, 'a', 0o600);
  } catch {
    return 'ignore';
  }
}
