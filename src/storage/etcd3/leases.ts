import type { Clock } from '#base/clock.ts';
import type { EtcdKv } from './kv.ts';

/** A lease is shared by all that is written within this time, and by no more than so many keys (as upstream's). */
const reuseShare = 0.05;
const reuseSecondsMax = 60;
const keysPerLeaseMax = 1_000;

interface SharedLease {
  id: Promise<string>;
  until: number;
  keys: number;
}

/**
 * Leases for keys that end by themselves. A key may live a twentieth longer than its TTL, a minute at most: a lease
 * for each Event would cost the store more than the Events.
 */
export class Leases {
  readonly #kv: EtcdKv;
  readonly #clock: Clock;
  /** By TTL; there are as many as there are distinct TTLs in flags: two or three. */
  readonly #current = new Map<number, SharedLease>();

  constructor(kv: EtcdKv, clock: Clock) {
    this.#kv = kv;
    this.#clock = clock;
  }

  /** Shared, so no caller's signal ends the grant that others wait for. */
  async get(ttlSeconds: number): Promise<string> {
    const now = this.#clock.monotonic();
    let lease = this.#current.get(ttlSeconds);
    if (lease === undefined || now >= lease.until || lease.keys >= keysPerLeaseMax) {
      this.#dropEnded(now);
      const reuseSeconds = Math.min(reuseSecondsMax, Math.floor(ttlSeconds * reuseShare));
      lease = { id: this.#kv.grantLease(ttlSeconds + reuseSeconds), until: now + reuseSeconds * 1000, keys: 0 };
      this.#current.set(ttlSeconds, lease);
      lease.id.catch(() => this.forget(ttlSeconds));
    }
    lease.keys++;
    return lease.id;
  }

  /** The store does not know it (any more). */
  forget(ttlSeconds: number): void {
    this.#current.delete(ttlSeconds);
  }

  #dropEnded(now: number): void {
    for (const [ttl, lease] of this.#current) if (now >= lease.until) this.#current.delete(ttl);
  }
}
