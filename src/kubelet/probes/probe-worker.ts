/**
 * The probes of one running container, from its start to its end. Liveness counts as passed until it has failed
 * `failureThreshold` times in a row, readiness as failed until it passed; neither runs before the startup probe passed.
 * A failed liveness or startup probe is told once: the container is then being ended.
 */
import type { Clock, Timer } from '#base/clock.ts';
import type { Probe } from '../pod.ts';
import type { ProbeResult, Prober, ProbeTarget } from './prober.ts';

export type ProbeKind = 'liveness' | 'readiness' | 'startup';

export interface ProbeListener {
  /** `started` or `ready` changed. */
  changed(): void;
  /** A probe did not succeed; `reached` when its threshold is, too. */
  unhealthy(kind: ProbeKind, message: string, reached: boolean): void;
}

export class ProbeWorker {
  started: boolean;
  ready: boolean;
  #clock: Clock;
  #prober: Prober;
  #target: ProbeTarget;
  #listener: ProbeListener;
  #loops: ProbeLoop[] = [];

  /** An adopted container has been running for a while: its probes need no initial delay. */
  constructor(clock: Clock, prober: Prober, target: ProbeTarget, listener: ProbeListener, isAdopted: boolean) {
    const { startupProbe, readinessProbe } = target.container;
    this.#clock = clock;
    this.#prober = prober;
    this.#target = target;
    this.#listener = listener;
    this.started = startupProbe === undefined;
    this.ready = this.started && readinessProbe === undefined;
    if (startupProbe) this.#begin('startup', startupProbe, !isAdopted);
    else this.#beginHealth(!isAdopted);
  }

  stop(): void {
    for (const loop of this.#loops) loop.stop();
    this.#loops = [];
    this.ready = false;
  }

  #beginHealth(withDelay: boolean): void {
    const { livenessProbe, readinessProbe } = this.#target.container;
    if (readinessProbe) this.#begin('readiness', readinessProbe, withDelay);
    if (livenessProbe) this.#begin('liveness', livenessProbe, withDelay);
  }

  #begin(kind: ProbeKind, probe: Probe, withDelay: boolean): void {
    const look = () => this.#prober(probe, this.#target, (probe.timeoutSeconds || 1) * 1000);
    const loop = new ProbeLoop(
      this.#clock,
      probe,
      look,
      (passed) => this.#decided(kind, passed),
      (message, reached) => this.#listener.unhealthy(kind, message, reached),
    );
    this.#loops.push(loop);
    // A first look at once would meet a process that has not even opened its port; it costs little and is often lucky.
    loop.next(withDelay ? (probe.initialDelaySeconds ?? 0) * 1000 : 0);
  }

  #decided(kind: ProbeKind, passed: boolean): void {
    const { started, ready } = this;
    if (kind === 'startup' && passed && !this.started) {
      this.started = true;
      this.ready = this.#target.container.readinessProbe === undefined;
      this.#loops[0]!.stop();
      this.#beginHealth(false);
    }
    if (kind === 'readiness') this.ready = passed;
    if (kind !== 'readiness' && !passed) this.stop();
    if (started !== this.started || ready !== this.ready) this.#listener.changed();
  }
}

/** Looks every period and counts; says `decided` when a threshold is reached. */
class ProbeLoop {
  #clock: Clock;
  #probe: Probe;
  #look: () => Promise<ProbeResult>;
  #decided: (passed: boolean) => void;
  #failed: (message: string, reached: boolean) => void;
  #timer: Timer | undefined;
  #isStopped = false;
  #last: boolean | undefined;
  #inARow = 0;

  constructor(
    clock: Clock,
    probe: Probe,
    look: () => Promise<ProbeResult>,
    decided: (passed: boolean) => void,
    failed: (message: string, reached: boolean) => void,
  ) {
    this.#clock = clock;
    this.#probe = probe;
    this.#look = look;
    this.#decided = decided;
    this.#failed = failed;
  }

  next(delayMs: number): void {
    if (!this.#isStopped) this.#timer = this.#clock.setTimer(delayMs, () => void this.#run());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #run(): Promise<void> {
    const began = this.#clock.monotonic();
    const { ok, message } = await this.#look();
    if (this.#isStopped) return;
    this.#inARow = ok === this.#last ? this.#inARow + 1 : 1;
    this.#last = ok;
    const threshold = ok ? this.#probe.successThreshold || 1 : this.#probe.failureThreshold || 3;
    const reached = this.#inARow >= threshold;
    if (!ok) this.#failed(message, reached);
    if (reached) this.#decided(ok);
    const periodMs = (this.#probe.periodSeconds || 10) * 1000;
    this.next(Math.max(0, began + periodMs - this.#clock.monotonic()));
  }
}
