/**
 * Notices an endpoint that takes requests and does not answer them: its process is frozen, its cable is cut, its member
 * has lost the others. TCP says nothing about that, and HTTP/2's pings are answered by a member without a quorum.
 *
 * What is in flight at each endpoint is known here. When something waits longer than is usual, the endpoint is asked for
 * a cheap linearizable read, and so is another one. An endpoint is given up only for one that answers while it does not:
 * so an election, an outage of all, or a store that is merely slow move nothing, and cost nothing but the waiting.
 *
 *   example: a frozen follower         0 ms  a read is sent to A, which is frozen
 *                                    500 ms  A is asked
 *                                    800 ms  nothing yet: B is asked, and answers
 *                                   1100 ms  A is given up: reads are repeated at B, writes come back as uncertain
 */
import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import { Code, EtcdError } from './etcd-error.ts';

export interface InFlight {
  endpoint: Endpoint;
  kind: 'read' | 'write' | 'stream';
  /** Monotonic: when it was sent, or a stream was last heard of. */
  since: number;
  /** The newest raft term known when it was sent. */
  term: bigint;
  /** Ends it with this error, which says that the outcome is unknown. */
  giveUp(error: EtcdError): void;
}

export interface LivenessOptions {
  endpoints: Endpoints;
  clock: Clock;
  log: Logger;
  /** A cheap linearizable read at this endpoint: whether it was answered. Resolves within the bound. */
  ask(endpoint: Endpoint, boundMs: number): Promise<boolean>;
}

/** So long may a request go unanswered, and a stream be quiet, before its endpoint is asked. */
const patienceMs = { read: 500, write: 500, stream: 2_000 };
const sweepEveryMs = 250;
/** How much longer than another an endpoint may take to answer. */
const graceMs = 300;
const askBoundMs = 2_000;
/** How often the first choice is looked at again while the client has fallen back. */
const homeEveryMs = 2_000;

export class Liveness {
  readonly #options: LivenessOptions;
  readonly #inFlight = new Set<InFlight>();
  readonly #asked = new Set<Endpoint>();
  readonly #isAlone: boolean;
  #term = 0n;
  #timer: Timer | undefined;
  #isClosed = false;
  #homeAskedAt: number;

  constructor(options: LivenessOptions) {
    this.#options = options;
    // With one endpoint there is no better place to go.
    this.#isAlone = options.endpoints.all.length === 1;
    this.#homeAskedAt = options.clock.monotonic();
  }

  /** The newest raft term any answer carried. */
  get term(): bigint {
    return this.#term;
  }

  sawTerm(term: bigint): void {
    if (term > this.#term) this.#term = term;
  }

  add(request: InFlight): void {
    if (this.#isAlone || this.#isClosed) return;
    this.#inFlight.add(request);
    this.#timer ??= this.#options.clock.setTimer(sweepEveryMs, this.#sweep);
  }

  delete(request: InFlight): void {
    this.#inFlight.delete(request);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#inFlight.clear();
  }

  #sweep = (): void => {
    this.#timer = undefined;
    if (this.#isClosed) return;
    const now = this.#options.clock.monotonic();
    for (const request of this.#inFlight) {
      if (now - request.since < patienceMs[request.kind]) continue;
      if (request.kind === 'write' && request.term < this.#term) this.#giveUpLost(request);
      else void this.#examine(request.endpoint);
    }
    const { current } = this.#options.endpoints;
    if (current.isFallback && now - this.#homeAskedAt >= homeEveryMs) {
      this.#homeAskedAt = now;
      void this.#goHome();
    }
    // While fallen back also without requests: the way home must not wait for the next one.
    if (this.#inFlight.size > 0 || current.isFallback) {
      this.#timer = this.#options.clock.setTimer(sweepEveryMs, this.#sweep);
    }
  };

  /**
   * A leader was elected since this was sent. Proposals on their way to the old one are lost, and the member that
   * passed this one on would wait for it up to its own time-out of many seconds.
   */
  #giveUpLost(request: InFlight): void {
    this.#inFlight.delete(request);
    request.giveUp(new EtcdError(Code.UNAVAILABLE, 'no answer, and another leader was elected since', true));
  }

  async #examine(endpoint: Endpoint): Promise<void> {
    if (this.#asked.has(endpoint)) return;
    this.#asked.add(endpoint);
    try {
      const better = await this.#findBetter(endpoint);
      if (better && !this.#isClosed) this.#giveUp(endpoint, better);
    } finally {
      this.#asked.delete(endpoint);
    }
  }

  /** Another endpoint that answers while this one does not. */
  async #findBetter(endpoint: Endpoint): Promise<Endpoint | undefined> {
    const { all } = this.#options.endpoints;
    const own = this.#ask(endpoint);
    if (await this.#within(graceMs, own)) {
      this.#restart(endpoint);
      return undefined;
    }
    const at = all.indexOf(endpoint);
    for (const other of [...all.slice(at + 1), ...all.slice(0, at)]) {
      if (this.#isClosed || (await this.#within(0, own))) return undefined;
      if (!(await this.#ask(other))) continue;
      // In an election its answer may have been a refusal, a moment before the other's was not: ask once more.
      const isBack = (await this.#within(graceMs, own)) || (await this.#within(graceMs, this.#ask(endpoint)));
      return isBack ? undefined : other;
    }
    return undefined;
  }

  /** It lives: what waits there has its patience anew. */
  #restart(endpoint: Endpoint): void {
    const now = this.#options.clock.monotonic();
    for (const request of this.#inFlight) {
      if (request.endpoint === endpoint && request.kind === 'stream') request.since = now;
    }
  }

  #giveUp(endpoint: Endpoint, better: Endpoint): void {
    const { endpoints, log } = this.#options;
    log.warn({ endpoint: endpoint.url, better: better.url }, 'etcd endpoint does not answer, another does');
    if (endpoints.current === endpoint) endpoints.use(better);
    for (const request of [...this.#inFlight]) {
      if (request.endpoint !== endpoint) continue;
      this.#inFlight.delete(request);
      request.giveUp(new EtcdError(Code.UNAVAILABLE, `${endpoint.url} does not answer`, true));
    }
  }

  /** Back to the first choice when it answers again; the streams come along. */
  async #goHome(): Promise<void> {
    const { endpoints, log } = this.#options;
    for (const home of endpoints.all.filter((e) => !e.isFallback)) {
      if (!(await this.#ask(home)) || this.#isClosed) continue;
      if (!endpoints.current.isFallback) return;
      log.info({ endpoint: home.url }, 'etcd endpoint answers again');
      endpoints.use(home);
      for (const request of [...this.#inFlight]) {
        if (request.kind !== 'stream' || !request.endpoint.isFallback) continue;
        this.#inFlight.delete(request);
        request.giveUp(new EtcdError(Code.UNAVAILABLE, 'moved to another endpoint', true));
      }
      return;
    }
  }

  async #ask(endpoint: Endpoint): Promise<boolean> {
    const { endpoints, clock, ask } = this.#options;
    const deadline = clock.now() + askBoundMs;
    return (await endpoints.connect(endpoint, deadline)) && ask(endpoint, Math.max(1, deadline - clock.now()));
  }

  /** False when the answer is no, or not there yet after this time; what waits in our own sockets counts as there. */
  #within(ms: number, answer: Promise<boolean>): Promise<boolean> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      // A process that was busy finds its timers due before it reads its sockets: look at them once in between.
      const settle = clock.setTimer(ms, () => clock.setTimer(1, () => resolve(false)));
      void answer.then((isYes) => {
        settle.cancel();
        resolve(isYes);
      });
    });
  }
}
