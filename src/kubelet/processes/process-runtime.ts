/** What supervision needs of the operating system. host-processes.ts does it; tests have one that only pretends. */
export interface ProcessRuntime {
  /** Starts a process in its own group. Rejects when the program cannot be started. */
  start(spec: ProcessSpec): Promise<RunningProcess>;
  /** Takes over a process that an earlier kubelet started, or undefined when it is no longer there. */
  adopt(identity: ProcessIdentity): RunningProcess | undefined;
}

export interface ProcessSpec {
  command: string[];
  /** The whole of it: nothing is inherited. */
  env: Record<string, string>;
  /** '' : the root directory of the file system, as in a container. */
  workingDir: string;
  logFile: string;
  /** Marks the process, and all that it starts, as this container's incarnation. */
  containerID: string;
}

/** A pid alone may have been given to another process since. */
export interface ProcessIdentity {
  pid: number;
  /** Equal for the same process only: clock ticks after boot on Linux, what `ps` prints elsewhere. */
  startTime: string;
  /** Ticks after another boot mean nothing. */
  bootId: string;
}

export interface RunningProcess {
  readonly identity: ProcessIdentity;
  /** Never rejects. When it resolves, nothing of the process group is left. */
  readonly exited: Promise<ProcessExit>;
  /** Asks the process to stop, as a container runtime does: the first process decides for its children. */
  terminate(): void;
  /** Ends the whole process group. */
  kill(): void;
}

export interface ProcessExit {
  /** 128 + signal when a signal ended it; undefined for an adopted process, whose status went to another parent. */
  exitCode: number | undefined;
  signal?: number;
}
