/**
 * A backend and what is known of it. `draining` is a server that answers its check with an error: it finishes what it
 * has and gets nothing new. `down` is one that does not answer at all: its connections are cut, so that clients with
 * half-dead connections come back and are led elsewhere.
 */
import type { Socket } from 'node:net';

export type BackendState = 'up' | 'draining' | 'down';

/** `refused`: nobody listens there. `silent`: no answer in time, or none that can be understood. */
export type CheckResult = 'ok' | 'not-ready' | 'refused' | 'silent';

export interface BackendAddress {
  name: string;
  host: string;
  port: number;
}

export class Backend {
  readonly address: BackendAddress;
  /** Optimistic until checked: a connection that cannot be opened goes to the next backend anyway. */
  state: BackendState = 'up';
  /** Its check is late: new connections go to others first, those it has are left alone until the check has failed. */
  isLate = false;
  /** Set by who checks: a reason to look again now, not at the next turn. */
  onDoubt = (): void => {};
  readonly connections = new Set<Socket>();
  connectionsTotal = 0;
  connectErrorsTotal = 0;
  #failures = 0;
  #successes = 0;

  constructor(address: BackendAddress) {
    this.address = address;
  }

  /**
   * One check's result. `rise` successes in a row bring a backend up, `fall` silences in a row take it out. A server
   * that says itself that it is not ready is believed at once, and so is a port where nobody listens: what starts there
   * next gets no clients before it is ready. True when the state changed.
   */
  observe(result: CheckResult, rise: number, fall: number): boolean {
    const before = this.state;
    this.isLate = false;
    if (result === 'ok') {
      this.#failures = 0;
      this.#successes++;
      if (this.#successes >= rise) this.state = 'up';
    } else {
      this.#successes = 0;
      this.#failures++;
      if (result === 'not-ready') this.state = 'draining';
      else if (result === 'refused' || this.#failures >= fall) this.state = 'down';
    }
    if (this.state === 'down' && before !== 'down') this.cut();
    return this.state !== before;
  }

  cut(): void {
    for (const socket of this.connections) socket.resetAndDestroy();
    this.connections.clear();
  }
}
