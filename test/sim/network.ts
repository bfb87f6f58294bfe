/**
 * Connections between processes: what one side sends arrives at the other in order, after a while; until the
 * connection is cut. Then some of what was under way is lost, and each side learns of it: soon (a reset), or when its
 * keep-alive gives up (the other side's machine is gone, or the network is).
 */
import type { SimProcess } from './process.ts';
import type { Random } from './random.ts';
import type { Lane, Scheduler } from './scheduler.ts';

export type Side = 'client' | 'server';

export interface Endpoint {
  receive(message: Message): void;
  closed(): void;
}

/** One message of a call or stream, by its number on the connection. */
export interface Message {
  stream: number;
  /** Of the first message of a call: what is called. */
  path?: string;
  bytes?: Buffer;
  /** Ends the call: 0, or gRPC's code. */
  code?: number;
  details?: string;
}

export interface NetworkProfile {
  /** Milliseconds on the way. */
  delayMs: (random: Random) => number;
}

/** grpc-js of the client: a ping after 10 s, given up after 5 more. Of the server: 60 and 20. */
const keepAliveMs: Record<Side, number> = { client: 15_000, server: 80_000 };

export class Network {
  readonly connections = new Set<Connection>();
  /** No new connection between these, and none that stands. */
  readonly #parted = new Set<string>();
  readonly profile: NetworkProfile;
  readonly #scheduler: Scheduler;
  readonly #random: Random;

  constructor(scheduler: Scheduler, random: Random, profile: NetworkProfile) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.profile = profile;
  }

  delayMs(): number {
    return this.profile.delayMs(this.#random);
  }

  connect(client: SimProcess, server: SimProcess): Connection {
    const connection = new Connection(this, this.#scheduler, this.#random, client, server);
    this.connections.add(connection);
    return connection;
  }

  isParted(client: SimProcess): boolean {
    return this.#parted.has(hostOf(client));
  }

  /** `isSilent`: nobody is told, packets vanish. */
  part(host: string, isSilent: boolean): void {
    this.#parted.add(host);
    for (const connection of this.connections) if (hostOf(connection.client) === host) connection.cut(isSilent);
  }

  heal(host: string): void {
    this.#parted.delete(host);
  }

  cutAllOf(process: SimProcess, isSilent: boolean): void {
    for (const { client, server, cut } of this.connections) if (client === process || server === process) cut(isSilent);
  }
}

/** A process's name without the number of its life: `api-1` of `api-1.3`. */
export const hostOf = (process: SimProcess): string => process.name.split('.')[0]!;

interface Direction {
  lane: Lane;
  arriving: number;
  sent: number;
  received: number;
  /** What was sent after this many messages is lost. */
  losesAfter: number;
}

export class Connection {
  readonly client: SimProcess;
  readonly server: SimProcess;
  readonly endpoints: Partial<Record<Side, Endpoint>> = {};
  isCut = false;
  readonly #closed = new Set<Side>();
  /** By the side that receives. */
  readonly #to: Record<Side, Direction>;
  readonly #network: Network;
  readonly #scheduler: Scheduler;
  readonly #random: Random;

  constructor(network: Network, scheduler: Scheduler, random: Random, client: SimProcess, server: SimProcess) {
    this.#network = network;
    this.#scheduler = scheduler;
    this.#random = random;
    this.client = client;
    this.server = server;
    const direction = (lane: Lane) => ({
      lane,
      arriving: 0,
      sent: 0,
      received: 0,
      losesAfter: Number.MAX_SAFE_INTEGER,
    });
    this.#to = { client: direction(client.lane('from store')), server: direction(server.lane('from client')) };
  }

  send(to: Side, message: Message): void {
    const direction = this.#to[to];
    const number = ++direction.sent;
    if (this.isCut) return;
    if (message.bytes) this.#scheduler.trace.bytes(message.bytes);
    this.#deliver(direction, this.#network.delayMs(), () => {
      if (number > direction.losesAfter || this.#closed.has(to)) return;
      direction.received = number;
      this.endpoints[to]?.receive(message);
    });
  }

  /** Something of the receiver's own that keeps its place among what arrives. */
  notify(to: Side, fn: () => void): void {
    this.#deliver(this.#to[to], 0, () => {
      if (!this.#closed.has(to)) fn();
    });
  }

  isClosed(side: Side): boolean {
    return this.#closed.has(side);
  }

  readonly cut = (isSilent: boolean): void => {
    if (this.isCut) return;
    this.isCut = true;
    this.#network.connections.delete(this);
    for (const side of ['client', 'server'] as const) {
      const direction = this.#to[side];
      direction.losesAfter = this.#random.between(direction.received, direction.sent);
      const learnsAfterMs = isSilent ? keepAliveMs[side] : this.#network.delayMs();
      this.#deliver(direction, learnsAfterMs, () => this.close(side));
    }
  };

  /** This side gives up; the other learns of it as of any cut. */
  close(side: Side): void {
    if (this.#closed.has(side)) return;
    this.#closed.add(side);
    this.cut(false);
    this.endpoints[side]?.closed();
  }

  #deliver(direction: Direction, delayMs: number, fn: () => void): void {
    const at = Math.max(direction.arriving, this.#scheduler.now + delayMs);
    direction.arriving = at;
    this.#scheduler.after(at - this.#scheduler.now, direction.lane, fn);
  }
}
