import type {
  ProcessExit,
  ProcessIdentity,
  ProcessRuntime,
  ProcessSpec,
  RunningProcess,
} from '../processes/process-runtime.ts';

/** Processes that run until the test says otherwise; they obey SIGTERM unless `isStubborn`. */
export class FakeProcesses implements ProcessRuntime {
  readonly started: FakeProcess[] = [];
  isStubborn = false;
  /** When set, nothing can be started, for this reason. */
  failure = '';

  async start(spec: ProcessSpec): Promise<RunningProcess> {
    if (this.failure !== '') throw new Error(this.failure);
    const process = new FakeProcess(this, spec, 1000 + this.started.length);
    this.started.push(process);
    return process;
  }

  adopt(identity: ProcessIdentity): RunningProcess | undefined {
    return this.started.find((p) => p.identity.pid === identity.pid && !p.isOver);
  }

  get last(): FakeProcess {
    return this.started.at(-1)!;
  }
}

export class FakeProcess implements RunningProcess {
  readonly identity: ProcessIdentity;
  readonly spec: ProcessSpec;
  readonly exited: Promise<ProcessExit>;
  readonly signals: string[] = [];
  isOver = false;
  #runtime: FakeProcesses;
  #resolve!: (exit: ProcessExit) => void;

  constructor(runtime: FakeProcesses, spec: ProcessSpec, pid: number) {
    this.#runtime = runtime;
    this.spec = spec;
    this.identity = { pid, startTime: String(pid), bootId: 'boot' };
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  exit(exit: ProcessExit): void {
    this.isOver = true;
    this.#resolve(exit);
  }

  terminate(): void {
    this.signals.push('TERM');
    if (!this.#runtime.isStubborn) this.exit({ exitCode: 143, signal: 15 });
  }

  kill(): void {
    this.signals.push('KILL');
    this.exit({ exitCode: 137, signal: 9 });
  }
}
