/**
 * Leases and the keys that hang on them. Owns expiry; deleting the keys is for whoever is told of it. A lease is
 * stored, its renewals are not: after a restart each lives for its full time again, as in etcd.
 */
import type { Clock, Timer } from '#base/clock.ts';
import type { Database } from '../backend/database.ts';
import type { LeaseBook } from '../mvcc/kv-store.ts';
import { errors } from '../store-error.ts';

/** etcd's own minimum at its default election timeout. */
const ttlSecondsMin = 2;
const ttlSecondsMax = 9_000_000_000;
/** After an expiry that was refused. */
const expireAgainMs = 1000;
/** A timer cannot be set for longer than this. */
const timerMsMax = 2 ** 31 - 1;

export interface Lease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  readonly keys: Set<string>;
  /** By the monotonic clock. */
  expiresAt: number;
}

export class Lessor implements LeaseBook {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #randomId: () => bigint;
  readonly #leases = new Map<bigint, Lease>();
  /** By the time of expiry when it was put in; a renewed lease goes back in when it comes up. */
  readonly #queue = new ExpiryQueue();
  #onExpired: ((id: bigint) => void) | undefined;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(database: Database, clock: Clock, randomId: () => bigint) {
    this.#database = database;
    this.#clock = clock;
    this.#randomId = randomId;
    for (const { id, ttlSeconds } of database.leases()) this.#add(id, ttlSeconds);
  }

  start(onExpired: (id: bigint) => void): void {
    this.#onExpired = onExpired;
    this.#arm();
  }

  stop(): void {
    this.#onExpired = undefined;
    this.#timer?.cancel();
  }

  /** Within a commit. `id` 0: chosen. */
  grant(id: bigint, ttlSeconds: number): Lease {
    if (ttlSeconds > ttlSecondsMax) throw errors.leaseTtlTooLarge();
    if (this.#leases.has(id)) throw errors.leaseExists();
    let chosen = id;
    while (chosen === 0n || (id === 0n && this.#leases.has(chosen))) chosen = this.#randomId() >> 1n;
    const lease = this.#add(chosen, Math.max(ttlSecondsMin, ttlSeconds));
    this.#database.putLease(chosen, lease.ttlSeconds);
    this.#arm();
    return lease;
  }

  /** Within a commit. The keys that must go with it, in order. */
  remove(id: bigint): string[] {
    const lease = this.#leases.get(id);
    if (!lease) throw errors.leaseNotFound();
    this.#leases.delete(id);
    this.#database.deleteLease(id);
    return [...lease.keys].sort();
  }

  /** Seconds it will now live; 0 when there is none, or when its end is already under way. */
  renew(id: bigint): number {
    const lease = this.#leases.get(id);
    const now = this.#clock.monotonic();
    if (!lease || lease.expiresAt <= now) return 0;
    lease.expiresAt = now + lease.ttlSeconds * 1000;
    return lease.ttlSeconds;
  }

  /** The end of one that was told of could not be stored: it is told again. */
  expireLater(id: bigint): void {
    if (!this.#leases.has(id)) return;
    this.#queue.push(this.#clock.monotonic() + expireAgainMs, id);
    this.#arm();
  }

  get(id: bigint): Lease | undefined {
    return this.#leases.get(id);
  }

  remainingSeconds(lease: Lease): number {
    return Math.floor((lease.expiresAt - this.#clock.monotonic()) / 1000);
  }

  ids(): bigint[] {
    return [...this.#leases.keys()];
  }

  attach(id: bigint, key: string): void {
    this.#leases.get(id)?.keys.add(key);
  }

  detach(id: bigint, key: string): void {
    this.#leases.get(id)?.keys.delete(key);
  }

  #add(id: bigint, ttlSeconds: number): Lease {
    const expiresAt = this.#clock.monotonic() + ttlSeconds * 1000;
    const lease = { id, ttlSeconds, keys: new Set<string>(), expiresAt };
    this.#leases.set(id, lease);
    this.#queue.push(expiresAt, id);
    return lease;
  }

  #arm(): void {
    const next = this.#queue.first();
    if (!this.#onExpired || next === undefined || next >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = next;
    const delay = Math.min(timerMsMax, Math.max(0, next - this.#clock.monotonic()));
    this.#timer = this.#clock.setTimer(delay, () => this.#expire());
  }

  #expire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    for (let at = this.#queue.first(); at !== undefined && at <= now; at = this.#queue.first()) {
      const lease = this.#leases.get(this.#queue.pop());
      if (!lease) continue;
      if (lease.expiresAt > now) this.#queue.push(lease.expiresAt, lease.id);
      else this.#onExpired?.(lease.id);
    }
    this.#arm();
  }
}

/** A binary heap: the earliest on top. */
class ExpiryQueue {
  readonly #heap: { at: number; id: bigint }[] = [];

  first(): number | undefined {
    return this.#heap[0]?.at;
  }

  push(at: number, id: bigint): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push({ at, id });
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.at <= at) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = { at, id };
  }

  pop(): bigint {
    const heap = this.#heap;
    const { id } = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return id;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (child >= heap.length || heap[child]!.at >= last.at) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return id;
  }
}
