/**
 * Elects one of several processes by a coordination.k8s.io/v1 Lease, with client-go's fields, timing and order of
 * steps, so that ours and upstream's components can stand in one election.
 *
 * Why there are never two leaders: a leader counts its term from the moment it *sent* the renewal that succeeded and
 * stops `renewDeadline` later, whatever is in flight; a candidate counts from the moment it *saw* the Lease change,
 * which is later, and waits `leaseDuration`, which is longer. Both use their own monotonic clock; timestamps in the
 * Lease are for people. The difference of the two is what clocks may drift apart and what stopping may take. A
 * process that is frozen and wakes up late is beyond this proof; that is what fencing (`term`) is for.
 *
 * Beyond client-go: everybody watches the Lease, so a release is taken over at once; the work of a term has ended
 * before the Lease is released; and one who lost the Lease stands again.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { formatMicroTime } from '#apimachinery/time.ts';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Runnable } from '#base/runnable.ts';
import type { ApiClient } from './client.ts';
import { reflect } from './reflector.ts';

export interface LeaderElectionOptions {
  /** Its requests should time out well before `renewDeadlineMs`; half of it is what upstream takes. */
  client: ApiClient;
  namespace: string;
  name: string;
  /** Unique among the candidates. */
  identity: string;
  leaseDurationMs: number;
  renewDeadlineMs: number;
  retryPeriodMs: number;
  /** Clear the holder at a graceful end, so that the next one need not wait. */
  releaseOnCancel: boolean;
  /** The work of a leader; must end soon after the signal aborts. A rejection ends the election with that error. */
  onStartedLeading(signal: AbortSignal): Promise<void>;
  onStoppedLeading?(): void;
  onNewLeader?(identity: string): void;
  clock: Clock;
  random: () => number;
  log: Logger;
}

export interface LeaderElector extends Runnable {
  /** By the clock: also false in the instant after a pause, before anything else noticed. */
  isLeader(): boolean;
  /** The holder as last seen; '' when there is none. */
  readonly leader: string;
}

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string | null;
    renewTime?: string | null;
    leaseTransitions?: number;
  };
}

const leasesResource = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };
const jitterFactor = 1.2;

export function createLeaderElector(options: LeaderElectionOptions): LeaderElector {
  validateTiming(options);
  return new Elector(options);
}

/** Upstream's relations: they are what the proof above needs. */
export function validateTiming(
  timing: Pick<LeaderElectionOptions, 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs'>,
): void {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = timing;
  if (retryPeriodMs <= 0) throw new OperatorError('--leader-elect-retry-period must be greater than zero');
  if (leaseDurationMs < 1000) throw new OperatorError('--leader-elect-lease-duration must be at least 1s');
  if (leaseDurationMs <= renewDeadlineMs) {
    throw new OperatorError('--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline');
  }
  if (renewDeadlineMs <= jitterFactor * retryPeriodMs) {
    throw new OperatorError(
      `--leader-elect-renew-deadline must be greater than ${jitterFactor} times the retry period`,
    );
  }
}

class Elector implements LeaderElector {
  readonly name = 'leader-election';
  #options: LeaderElectionOptions;
  #observed: Lease | undefined;
  /** Monotonic: when the Lease was last seen to change. */
  #observedAt = Number.NEGATIVE_INFINITY;
  /** Monotonic: our term ends then, unless it is renewed. */
  #termEndsAt = Number.NEGATIVE_INFINITY;
  #wake: () => void = () => {};

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
  }

  get leader(): string {
    return this.#observed?.spec?.holderIdentity ?? '';
  }

  isLeader(): boolean {
    return this.#options.clock.monotonic() < this.#termEndsAt;
  }

  async run(signal: AbortSignal): Promise<void> {
    const stopWatching = new AbortController();
    const watching = this.#watch(stopWatching.signal);
    try {
      while (!signal.aborted) {
        await this.#acquire(signal);
        if (this.isLeader()) await this.#lead(signal);
      }
    } finally {
      stopWatching.abort();
      await watching;
    }
  }

  async #acquire(signal: AbortSignal): Promise<void> {
    const { clock, random, retryPeriodMs } = this.#options;
    while (!signal.aborted) {
      if (await this.#tryAcquireOrRenew()) return;
      await this.#pause(retryPeriodMs * (1 + random() * (jitterFactor - 1)), clock, signal);
    }
  }

  /** One term: from here until the work of it has ended. */
  async #lead(signal: AbortSignal): Promise<void> {
    const { identity, namespace, name, clock, log, retryPeriodMs } = this.#options;
    const term = new AbortController();
    log.info({ identity, lease: `${namespace}/${name}` }, 'became the leader');
    let failure: { cause: unknown } | undefined;
    const work = this.#options.onStartedLeading(term.signal).catch((cause: unknown) => {
      failure = { cause };
      this.#wake();
    });
    const endOfTerm = watchDeadline(
      clock,
      () => this.#termEndsAt,
      () => this.#wake(),
    );

    const renewing = new AbortController();
    const renewals = this.#renew(retryPeriodMs, renewing.signal);
    while (!signal.aborted && !failure && this.isLeader() && this.leader === identity) {
      await new Promise<void>((resolve) => {
        const done = () => {
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#wake = done;
        signal.addEventListener('abort', done, { once: true });
      });
    }
    this.#wake = () => {};
    const isLost = !signal.aborted && !failure;
    term.abort();
    if (isLost) {
      this.#termEndsAt = Number.NEGATIVE_INFINITY;
      log.warn({ identity, leader: this.leader }, 'lost the lease: stopped leading');
    }
    // Renewals go on while the work of a graceful end is finished, so that nobody else begins before.
    await work;
    renewing.abort();
    await renewals;
    endOfTerm.cancel();
    const isStillOurs = this.isLeader() && this.leader === identity;
    this.#termEndsAt = Number.NEGATIVE_INFINITY;
    this.#options.onStoppedLeading?.();
    if (isStillOurs && this.#options.releaseOnCancel) await this.#release();
    if (failure) throw failure.cause;
  }

  async #renew(periodMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await sleep(clock, periodMs, signal);
      // An ended term is not extended: the way back leads through #acquire, when its work has ended.
      if (signal.aborted || !this.isLeader()) return;
      await this.#tryAcquireOrRenew();
    }
  }

  /** Whether the Lease is ours now; sets the end of our term. Failures of the request count as "no". */
  async #tryAcquireOrRenew(): Promise<boolean> {
    const { client, namespace, name, identity, clock, log, renewDeadlineMs } = this.#options;
    const leases = client.resource<Lease>(leasesResource, namespace);
    const sentAt = clock.monotonic();
    const wasLeading = this.isLeader();
    const succeed = (written: Lease): boolean => {
      this.#observe(written, 'answer');
      // A renewal that comes back after its term has ended must not revive the term.
      if (wasLeading && !this.isLeader()) return false;
      this.#termEndsAt = sentAt + renewDeadlineMs;
      return this.isLeader();
    };
    try {
      if (wasLeading && this.#observed) {
        try {
          return succeed(await leases.update(this.#claim(this.#observed)));
        } catch (error) {
          // Somebody else wrote it, or our own last write came through unseen: look.
          if (!isStatusError(error, 'Conflict') && !isStatusError(error, 'NotFound')) throw error;
        }
      }
      let current: Lease;
      try {
        current = await leases.get(name);
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
        if (this.leader !== identity && this.#isHeld()) return false;
        return succeed(await leases.create(this.#claim(undefined)));
      }
      this.#observe(current, 'answer');
      if (this.leader !== identity && this.#isHeld()) return false;
      return succeed(await leases.update(this.#claim(current)));
    } catch (error) {
      const isRaceLost = isStatusError(error, 'Conflict') || isStatusError(error, 'AlreadyExists');
      if (!isRaceLost)
        log.warn({ lease: `${namespace}/${name}`, error: messageOf(error) }, 'cannot get or renew the lease');
      return false;
    }
  }

  /** Somebody's term may still run, as far as we can have seen. */
  #isHeld(): boolean {
    const durationMs = (this.#observed?.spec?.leaseDurationSeconds ?? 0) * 1000;
    return this.leader !== '' && this.#options.clock.monotonic() < this.#observedAt + durationMs;
  }

  #claim(current: Lease | undefined): Lease {
    const { namespace, name, identity, leaseDurationMs, clock } = this.#options;
    const now = formatMicroTime(clock.now());
    const old = current?.spec;
    const isOurs = old?.holderIdentity === identity;
    return {
      ...(current ?? { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace, name } }),
      spec: {
        ...old,
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
        acquireTime: isOurs && old?.acquireTime ? old.acquireTime : now,
        renewTime: now,
        leaseTransitions: old ? (old.leaseTransitions ?? 0) + (isOurs ? 0 : 1) : 0,
      },
    };
  }

  async #release(): Promise<void> {
    const { client, namespace, clock, log } = this.#options;
    const current = this.#observed;
    if (!current) return;
    const now = formatMicroTime(clock.now());
    const spec = { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
    try {
      const leases = client.resource<Lease>(leasesResource, namespace);
      this.#observe(await leases.update({ ...current, spec }), 'answer');
      log.info({}, 'released the lease');
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'cannot release the lease: it will expire');
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, namespace, name, clock, random, log } = this.#options;
    const resource = client.resource<Lease>(leasesResource, namespace);
    const seen = (lease: Lease) => this.#observe(lease, 'watch');
    await reflect(
      { name: 'leases', resource, fieldSelector: `metadata.name=${name}`, clock, random, log },
      {
        replace: (items) => {
          items.forEach(seen);
          // The server answers again, or for the first time: try now, not at the next turn.
          this.#wake();
        },
        upsert: seen,
        // A Lease somebody deleted: its holder makes it again; the others wait for the holder's term all the same.
        remove() {},
      },
      signal,
    );
  }

  /** Answers are the truth; watch events may come late and then count only when they are newer. */
  #observe(lease: Lease, source: 'answer' | 'watch'): void {
    const known = this.#observed?.metadata.resourceVersion;
    const seen = lease.metadata.resourceVersion;
    // The same again must not restart the clock of a holder who does not renew.
    if (known !== undefined && (known === seen || (source === 'watch' && Number(seen) < Number(known)))) return;
    const before = this.leader;
    this.#observed = lease;
    this.#observedAt = this.#options.clock.monotonic();
    if (this.leader === before) return;
    this.#wake();
    if (this.leader !== '') this.#options.onNewLeader?.(this.leader);
  }

  /** Until the next try, or until the watch shows another holder. */
  async #pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#wake = wake;
    signal.addEventListener('abort', wake, { once: true });
    if (!signal.aborted) await sleep(clock, ms, woken.signal);
    signal.removeEventListener('abort', wake);
    this.#wake = () => {};
  }
}

/** Calls `fn` when the deadline, which may move on meanwhile, is reached. */
function watchDeadline(clock: Clock, deadline: () => number, fn: () => void): { cancel(): void } {
  const arm = () => clock.setTimer(Math.max(1, Math.ceil(deadline() - clock.monotonic())), check);
  const check = () => {
    if (clock.monotonic() >= deadline()) fn();
    else timer = arm();
  };
  let timer = arm();
  return { cancel: () => timer.cancel() };
}
