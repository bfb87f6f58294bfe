/**
 * What a kubelet leaves behind for its successor: per pod the pod as it was read from the manifest, per container the
 * process that runs it. Owned by the one kubelet that holds the lock of the root directory. Written before anything
 * depends on it, whole files at once (write, rename), readable by the owner only because environments hold secrets.
 * Not fsynced: after a crash of the host there is no process left to adopt. The worst outcome of a lost file is a
 * container started anew, and its old process is ended by its mark (see stray-processes.ts).
 *
 *     <root>/pods/<uid>/pod.json
 *     <root>/pods/<uid>/<container>.process.json (pid and startTime at its top)
 *     <root>/pods/<uid>/<container>.log, .log.1 …
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerTermination, Pod } from '../pod.ts';
import type { ProcessIdentity } from './process-runtime.ts';

export interface PodCheckpoint {
  pod: Pod;
  /** The manifest's path. */
  file: string;
  /** Epoch milliseconds. */
  startedAt: number;
}

export interface ContainerCheckpoint {
  process?: ProcessIdentity;
  containerID: string;
  podUid: string;
  /** Of the container's part of the pod. */
  containerHash: string;
  restartCount: number;
  backOffMs: number;
  /** Epoch milliseconds. */
  startedAt: number;
  lastTermination?: ContainerTermination;
  /** The container is not to be started again (init containers, restartPolicy). */
  done?: boolean;
}

export class CheckpointDirectory {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    mkdirSync(join(root, 'pods'), { recursive: true, mode: 0o700 });
  }

  logFile(uid: string, container: string): string {
    return join(this.#podDirectory(uid), `${container}.log`);
  }

  writePod(checkpoint: PodCheckpoint): void {
    const uid = checkpoint.pod.metadata.uid!;
    mkdirSync(this.#podDirectory(uid), { recursive: true, mode: 0o700 });
    writeWhole(join(this.#podDirectory(uid), 'pod.json'), checkpoint);
  }

  writeContainer(name: string, checkpoint: ContainerCheckpoint): void {
    const { process, ...rest } = checkpoint;
    writeWhole(this.#containerFile(checkpoint.podUid, name), { ...process, ...rest });
  }

  readContainer(uid: string, name: string): ContainerCheckpoint | undefined {
    const stored = readJson<Omit<ContainerCheckpoint, 'process'> & Partial<ProcessIdentity>>(
      this.#containerFile(uid, name),
    );
    if (stored?.podUid !== uid) return undefined;
    const { pid, startTime = '', bootId = '', ...rest } = stored;
    return pid === undefined ? rest : { ...rest, process: { pid, startTime, bootId } };
  }

  /** Every pod that an earlier kubelet had and did not see to its end. */
  readPods(): PodCheckpoint[] {
    return readdirSync(join(this.#root, 'pods'))
      .map((uid) => readJson<PodCheckpoint>(join(this.#podDirectory(uid), 'pod.json')))
      .filter((p) => p?.pod?.metadata?.uid !== undefined && Array.isArray(p.pod.spec?.containers)) as PodCheckpoint[];
  }

  /** The pod has ended: forget all of it but the logs, and the logs of all but the last few pods. */
  removePod(uid: string): void {
    rmSync(join(this.#podDirectory(uid), 'pod.json'), { force: true });
    for (const entry of readNames(this.#podDirectory(uid))) {
      if (entry.endsWith('.json')) rmSync(join(this.#podDirectory(uid), entry), { force: true });
    }
    this.#pruneEndedPods();
  }

  #pruneEndedPods(): void {
    const ended = readNames(join(this.#root, 'pods'))
      .map((uid) => this.#podDirectory(uid))
      .filter((directory) => !readNames(directory).includes('pod.json'));
    for (const directory of ended.slice(0, Math.max(0, ended.length - endedPodsMax))) {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  #podDirectory(uid: string): string {
    return join(this.#root, 'pods', uid);
  }

  #containerFile(uid: string, name: string): string {
    return join(this.#podDirectory(uid), `${name}.process.json`);
  }
}

/** Pods that ended and whose logs are still kept. */
const endedPodsMax = 20;

function writeWhole(file: string, value: object): void {
  const temporary = `${file}.new`;
  writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
  renameSync(temporary, file);
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
