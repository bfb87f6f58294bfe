/**
 * A backend and what is known of it. `draining` is a server that answers its check with an error: it finishes what it
 * has and gets nothing new. `down` is one that does not answer at all: its connections are cut, so that clients with
 * half-dead connections come back and are led elsewhere.
 */
import type { Socket } from 'node:net';

export type BackendState = 'up' | 'draining' | 'down';

export interface BackendAddress {
  name: string;
  host: string;
  port: number;
}

export class Backend {
  readonly address: BackendAddress;
  /** Optimistic until checked: a connection that cannot be opened goes to the next backend anyway. */
  state: BackendState = 'up';
  readonly connections = new Set<Socket>();
  connectionsTotal = 0;
  connectErrorsTotal = 0;
  #failures = 0;
  #successes = 0;

  constructor(address: BackendAddress) {
    this.address = address;
  }

  /**
   * One check's result. `rise` successes in a row bring a backend up, `fall` failures in a row take it out; a server
   * that says itself that it is not ready is believed at once. True when the state changed.
   */
  observe(result: 'ok' | 'refused' | 'not-ready', rise: number, fall: number): boolean {
    const before = this.state;
    if (result === 'ok') {
      this.#failures = 0;
      this.#successes++;
      if (this.#successes >= rise) this.state = 'up';
    } else {
      this.#successes = 0;
      this.#failures++;
      if (result === 'not-ready') this.state = 'draining';
      else if (this.#failures >= fall) this.state = 'down';
    }
    if (this.state === 'down' && before !== 'down') this.cut();
    return this.state !== before;
  }

  cut(): void {
    for (const socket of this.connections) socket.resetAndDestroy();
    this.connections.clear();
  }
}
