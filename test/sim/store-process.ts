/** The embedded store as a process: the real Store and the real services, on simulated connections and disk. */
import { silentLogger } from '#base/log.ts';
import { Code } from '#etcd/etcd-error.ts';
import { KV, Lease, Maintenance, type Method, Watch } from '#etcd/rpc.ts';
import type { Database } from '#store/backend/database.ts';
import { prefixBytes } from '#store/rpc/grpc-messages.ts';
import { grpcError, type HeaderOf } from '#store/rpc/grpc-service.ts';
import { frameHeaderBytes } from '#store/rpc/http2/frames.ts';
import { kvService } from '#store/rpc/kv-service.ts';
import { leaseService } from '#store/rpc/lease-service.ts';
import { maintenanceService } from '#store/rpc/maintenance-service.ts';
import { serveWatch } from '#store/rpc/watch-service.ts';
import { Store } from '#store/store.ts';
import type { Connection, Message } from './network.ts';
import type { SimProcess } from './process.ts';

export interface StoreProcessOptions {
  process: SimProcess;
  database: Database;
  randomId: () => bigint;
  /** What is reported as the server's version. */
  version: string;
  /** Bytes a watch stream may have under way before it counts as full. */
  watchBufferBytes: number;
  onFatal: (error: Error) => void;
  /** Called with the revision of each header before it is sent. */
  onHeader: (revision: number) => void;
  /** What no client should ever be told. */
  onInternalError: (error: unknown) => void;
}

type Handler = (request: unknown, bytes: number) => unknown;

export class StoreProcess {
  readonly process: SimProcess;
  readonly store: Store;
  readonly #methods = new Map<string, { method: Method; handler: Handler }>();
  readonly #options: StoreProcessOptions;
  readonly #headerOf: HeaderOf;

  constructor(options: StoreProcessOptions) {
    const { process, database, randomId, onFatal } = options;
    this.process = process;
    this.#options = options;
    const log = silentLogger;
    this.store = new Store({ database, clock: process.clock, log, randomId, quotaBackendBytes: 0, onFatal });
    const { clusterId, memberId, term } = database;
    this.#headerOf = (revision) => {
      options.onHeader(revision);
      return { clusterId, memberId, revision, raftTerm: BigInt(term) };
    };
    const limits = { maxRequestBytes: 1.5 * 1024 * 1024, maxTxnOps: 128 };
    const maintenance = maintenanceService(this.store, this.#headerOf, process.clock, log);
    this.#serve(KV, kvService(this.store, this.#headerOf, limits));
    this.#serve(Lease, leaseService(this.store, this.#headerOf));
    this.#serve(Maintenance, {
      ...maintenance,
      status: async () => ({ ...((await (maintenance.status as Handler)({}, 0)) as object), version: options.version }),
    });
    this.store.start();
  }

  accept(connection: Connection): void {
    const streams = new Map<number, ServerStream>();
    connection.endpoints.server = {
      receive: (message) => {
        const open = streams.get(message.stream);
        if (open) open.receive(message);
        else if (message.path === Watch.watch.path) this.#openWatch(connection, message.stream, streams);
        else if (message.path) this.#answer(connection, message);
      },
      closed: () => {
        for (const stream of [...streams.values()]) stream.emit('close');
        streams.clear();
      },
    };
  }

  #serve(table: Record<string, Method>, handlers: object): void {
    for (const [name, method] of Object.entries(table)) {
      const handler = (handlers as Record<string, unknown>)[name] as Handler;
      if (!method.responseStream) this.#methods.set(method.path, { method, handler });
    }
  }

  async #answer(connection: Connection, { stream, path, bytes }: Message): Promise<void> {
    const { method, handler } = this.#methods.get(path!)!;
    try {
      const response = await handler(method.request.decode(bytes!), bytes!.length);
      connection.send('client', { stream, code: Code.OK, bytes: method.response.encode(response) });
    } catch (error) {
      const { code, details } = grpcError(error, { ...silentLogger, error: this.#options.onInternalError });
      connection.send('client', { stream, code, details });
    }
  }

  #openWatch(connection: Connection, id: number, streams: Map<number, ServerStream>): void {
    const stream = new ServerStream(connection, id, this.#options.watchBufferBytes, () => streams.delete(id));
    streams.set(id, stream);
    serveWatch(stream as unknown as Parameters<typeof serveWatch>[0], this.store.watches, this.#headerOf);
  }
}

/** The server's half of a gRPC stream, as far as serveWatch uses it. */
class ServerStream {
  readonly #connection: Connection;
  readonly #id: number;
  readonly #bufferBytes: number;
  readonly #onEnd: () => void;
  readonly #listeners = new Map<string, (argument?: unknown) => void>();
  /** Sent, and not yet taken by the client. */
  #underWay = 0;
  #isFull = false;
  #isPaused = false;
  readonly #held: Message[] = [];

  constructor(connection: Connection, id: number, bufferBytes: number, onEnd: () => void) {
    this.#connection = connection;
    this.#id = id;
    this.#bufferBytes = bufferBytes;
    this.#onEnd = onEnd;
  }

  on(event: string, listener: (argument?: unknown) => void): this {
    this.#listeners.set(event, listener);
    return this;
  }

  emit(event: string, argument?: unknown): void {
    this.#listeners.get(event)?.(argument);
  }

  receive(message: Message): void {
    if (message.code !== undefined) {
      this.#onEnd();
      this.emit('cancelled');
    } else if (this.#isPaused) this.#held.push(message);
    else this.#data(message);
  }

  write(bytes: Buffer): boolean {
    this.#underWay += bytes.length;
    this.#connection.send('client', { stream: this.#id, bytes });
    // Its place is behind the message, and it is the client's turn that makes room.
    this.#connection.notify('client', () => this.#taken(bytes.length));
    this.#isFull ||= this.#underWay > this.#bufferBytes;
    return !this.#isFull;
  }

  /** Whole messages, each with the five bytes before it that gRPC has. */
  writeFramed(parts: readonly Buffer[]): boolean {
    const bytes = Buffer.concat(parts);
    for (let at = 0; at < bytes.length; ) {
      const end = at + prefixBytes + bytes.readUInt32BE(at + 1);
      this.write(bytes.subarray(at + prefixBytes, end));
      at = end;
    }
    return !this.#isFull;
  }

  /** The same behind room for an HTTP/2 frame's header. */
  writeInPlace(frame: Buffer): boolean {
    return this.writeFramed([frame.subarray(frameHeaderBytes)]);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (!this.#isPaused && this.#held.length > 0) this.#data(this.#held.shift()!);
  }

  end(): void {
    this.#onEnd();
  }

  #data({ bytes }: Message): void {
    this.emit('data', { body: Watch.watch.request.decode(bytes!), bytes: bytes!.length });
  }

  #taken(bytes: number): void {
    this.#underWay -= bytes;
    if (!this.#isFull || this.#underWay > this.#bufferBytes / 2) return;
    this.#isFull = false;
    this.#connection.notify('server', () => this.emit('drain'));
  }
}
