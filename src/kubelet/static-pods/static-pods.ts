/**
 * The conductor: makes the processes of this host be those of the manifest directory. Owns the workers and the pods'
 * checkpoints. Nothing here waits for an API server; who reports to one subscribes to changes.
 */
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { type Pod, podKey } from '../pod.ts';
import type { PodCheckpoint } from '../processes/checkpoint.ts';
import { endStrayProcesses } from '../processes/stray-processes.ts';
import type { SupervisionContext } from './container-supervisor.ts';
import { ManifestDirectory } from './manifest-directory.ts';
import { PodWorker } from './pod-worker.ts';

export interface StaticPodsOptions {
  context: SupervisionContext;
  /** '' : no static pods; what an earlier kubelet left is stopped. */
  directory: string;
  nodeName: string;
  log: Logger;
  /** At the end, stop the pods instead of leaving them to a successor. */
  stopPodsOnExit: boolean;
}

export class StaticPods {
  readonly name = 'static-pods';
  #options: StaticPodsOptions;
  /** By uid. A pod that is being stopped stays until its last process has ended. */
  #workers = new Map<string, PodWorker>();
  #wanted: ReadonlyMap<string, Pod> = new Map();
  #listeners: ((pod: Pod) => void)[] = [];
  #isLeaving = false;

  constructor(options: StaticPodsOptions) {
    this.#options = options;
  }

  /** Called with a pod that came, changed or went. */
  onChange(listener: (pod: Pod) => void): void {
    this.#listeners.push(listener);
  }

  /** Pods that are wanted, not those being stopped. */
  pods(): PodWorker[] {
    return [...this.#workers.values()].filter((w) => !w.isStopping);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { context, directory, nodeName, log, stopPodsOnExit } = this.#options;
    const left = new Map(context.checkpoints.readPods().map((p) => [p.pod.metadata.uid!, p]));
    const lastGood = new Map([...left.values()].map((p) => [p.file, p.pod]));
    let isFirst = true;
    const onPods = (pods: ReadonlyMap<string, Pod>) => {
      this.#wanted = pods;
      if (isFirst) this.#adoptAll(left);
      isFirst = false;
      this.#reconcile();
    };
    if (directory === '') {
      onPods(new Map());
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        if (signal.aborted) resolve();
      });
    } else {
      await new ManifestDirectory({ directory, nodeName, clock: context.clock, log, lastGood }).run(signal, onPods);
    }
    this.#isLeaving = true;
    if (stopPodsOnExit) await this.#stopAll();
    else for (const worker of this.#workers.values()) worker.leave();
  }

  #adoptAll(left: ReadonlyMap<string, PodCheckpoint>): void {
    const { context, log } = this.#options;
    for (const checkpoint of left.values()) this.#addWorker(checkpoint).adopt();
    const known = new Set([...this.#workers.values()].flatMap((w) => w.containerIDs()));
    // Before anything is started: a stray may still hold the port that its successor needs.
    const strays = endStrayProcesses(context.root, known);
    if (left.size > 0 || strays > 0) log.info({ pods: left.size, containers: known.size, strays }, 'took over');
    const wanted = new Set([...this.#wanted.values()].map((p) => p.metadata.uid));
    for (const [uid, worker] of [...this.#workers]) {
      worker.start(!wanted.has(uid));
      if (!wanted.has(uid)) this.#stop(worker);
    }
  }

  #reconcile(): void {
    if (this.#isLeaving) return;
    const { context } = this.#options;
    const wanted = new Map([...this.#wanted].map(([file, pod]) => [pod.metadata.uid!, { file, pod }]));
    for (const [uid, worker] of this.#workers) {
      if (!wanted.has(uid) && !worker.isStopping) this.#stop(worker);
    }
    const names = new Set([...this.#workers.values()].map((w) => podKey(w.pod)));
    for (const [uid, { file, pod }] of wanted) {
      // A pod of the same name, or this very pod, is still being stopped: its end calls here again.
      if (this.#workers.has(uid) || names.has(podKey(pod))) continue;
      const checkpoint: PodCheckpoint = { pod, file, startedAt: context.clock.now() };
      try {
        context.checkpoints.writePod(checkpoint);
      } catch (error) {
        context.event(pod, 'Warning', 'CheckpointFailed', messageOf(error));
      }
      this.#addWorker(checkpoint).start();
    }
  }

  #addWorker(checkpoint: PodCheckpoint): PodWorker {
    const worker = new PodWorker(this.#options.context, checkpoint, (w) => this.#changed(w.pod));
    this.#workers.set(worker.pod.metadata.uid!, worker);
    return worker;
  }

  #stop(worker: PodWorker): void {
    const uid = worker.pod.metadata.uid!;
    void worker.stop().then(() => {
      this.#workers.delete(uid);
      this.#options.context.checkpoints.removePod(uid);
      this.#changed(worker.pod);
      this.#reconcile();
    });
    this.#changed(worker.pod);
  }

  /** The last first: what was started first is needed longest (a store, then what uses it). */
  async #stopAll(): Promise<void> {
    const inOrder = [...this.#workers.values()].sort((a, b) => (a.file < b.file ? 1 : -1));
    for (const worker of inOrder) {
      await worker.stop();
      this.#options.context.checkpoints.removePod(worker.pod.metadata.uid!);
    }
  }

  #changed(pod: Pod): void {
    for (const listener of this.#listeners) listener(pod);
  }
}
