import { type ContainerStatus, gracePeriodSeconds, type Pod, type PodStatus } from '../pod.ts';
import { podStatus } from '../pod-status.ts';
import { ContainerSupervisor, type SupervisionContext } from './container-supervisor.ts';

/** One static pod from its start, or adoption, to its end: its init containers one after the other, then the rest. */
export class PodWorker {
  readonly pod: Pod;
  readonly file: string;
  readonly startedAt: number;
  #context: SupervisionContext;
  #init: ContainerSupervisor[];
  #containers: ContainerSupervisor[];
  #work: Promise<void> = Promise.resolve();
  #isStopping = false;
  #status: PodStatus | undefined;

  constructor(
    context: SupervisionContext,
    { pod, file, startedAt }: { pod: Pod; file: string; startedAt: number },
    onChange: (worker: PodWorker) => void,
  ) {
    this.#context = context;
    this.pod = pod;
    this.file = file;
    this.startedAt = startedAt;
    const supervise = (isInit: boolean) => (container: Pod['spec']['containers'][number]) =>
      new ContainerSupervisor(context, pod, container, isInit, () => onChange(this));
    this.#init = (pod.spec.initContainers ?? []).map(supervise(true));
    this.#containers = pod.spec.containers.map(supervise(false));
  }

  /** Takes over the processes that an earlier kubelet left; to be called before `start`. */
  adopt(): void {
    for (const container of [...this.#init, ...this.#containers]) container.adopt();
  }

  /** With `adoptedOnly` it starts nothing, only looks after what it adopted until that is stopped. */
  start(adoptedOnly = false): void {
    this.#work = this.#run(adoptedOnly);
  }

  /** Ends supervision and leaves the processes to a successor. */
  leave(): void {
    for (const container of [...this.#init, ...this.#containers]) container.leave();
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Resolves when all processes have ended. */
  stop(graceSeconds = gracePeriodSeconds(this.pod)): Promise<void> {
    if (!this.#isStopping) this.#context.event(this.pod, 'Normal', 'Killing', `Stopping pod ${this.pod.metadata.name}`);
    this.#isStopping = true;
    for (const container of [...this.#containers, ...this.#init]) container.stop(graceSeconds * 1000);
    return this.#work;
  }

  restart(graceSeconds: number): void {
    for (const container of this.#containers) container.restart(graceSeconds * 1000);
  }

  /** IDs of the containers that run now. */
  containerIDs(): string[] {
    return [...this.#init, ...this.#containers].map((c) => c.containerID).filter((id) => id !== '');
  }

  containerStatuses(): ContainerStatus[] {
    return this.#containers.map((c) => c.status());
  }

  status(): PodStatus {
    this.#status = podStatus({
      pod: this.pod,
      initContainers: this.#init.map((c) => c.status()),
      containers: this.containerStatuses(),
      hostIP: this.#context.nodeIP,
      podIP: this.#context.nodeIP,
      startedAt: this.startedAt,
      now: this.#context.clock.now(),
      previous: this.#status,
    });
    return this.#status;
  }

  async #run(adoptedOnly: boolean): Promise<void> {
    for (const container of this.#init) {
      await container.run(adoptedOnly);
      if (this.#isStopping || (!container.succeeded && !adoptedOnly)) return;
    }
    await Promise.all(this.#containers.map((container) => container.run(adoptedOnly)));
  }
}
