/** gRPC without our client in between: any bytes to any method, and exactly what came back. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { Method } from '#etcd/rpc.ts';
import type { InitOf, MessageOf } from '#etcd/wire.ts';

/** What a request came to: gRPC's code and words, and the answer if there was one. */
export interface Outcome {
  code: number;
  details: string;
  bytes?: Buffer;
}

export interface RawStream {
  /** False: the other side does not read. */
  write(bytes: Buffer): boolean;
  end(): void;
  cancel(): void;
  readonly received: Buffer[];
  /** Resolves with the one that made the number of received messages reach `count`. */
  message(count: number): Promise<Buffer>;
  readonly ended: Promise<Outcome>;
}

const same = (bytes: Buffer): Buffer => bytes;
const waitMs = 15_000;

export class RawEtcd {
  readonly #client: Client;

  constructor(endpoint: string) {
    this.#client = new Client(new URL(endpoint).host, credentials.createInsecure(), {
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  close(): void {
    this.#client.close();
  }

  call(path: string, bytes: Buffer, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Outcome> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    return new Promise((resolve) => {
      const options = { deadline: Date.now() + waitMs };
      const call = this.#client.makeUnaryRequest(path, same, same, bytes, metadata, options, (error, response) => {
        resolve(error ? { code: error.code, details: error.details } : { code: 0, details: '', bytes: response! });
      });
      signal?.addEventListener('abort', () => call.cancel(), { once: true });
    });
  }

  /** A request of a method; the answer, or the outcome it was refused with. */
  async ask<M extends Method<any, any, any, any>>(
    method: M,
    request: InitOf<M['request']>,
    signal?: AbortSignal,
  ): Promise<MessageOf<M['response']>> {
    const outcome = await this.call(method.path, method.request.encode(request), {}, signal);
    if (outcome.code !== 0) throw Object.assign(new Error(outcome.details), { code: outcome.code });
    return method.response.decode(outcome.bytes!);
  }

  stream(path: string): RawStream {
    const stream = this.#client.makeBidiStreamRequest(path, same, same, {});
    const received: Buffer[] = [];
    const ended = Promise.withResolvers<Outcome>();
    let wake = () => {};
    stream.on('data', (bytes: Buffer) => {
      received.push(bytes);
      wake();
    });
    stream.on('error', () => {});
    stream.on('status', ({ code, details }) => {
      ended.resolve({ code, details });
      wake();
    });
    return {
      write: (bytes) => stream.write(bytes),
      end: () => stream.end(),
      cancel: () => stream.cancel(),
      received,
      ended: ended.promise,
      async message(count) {
        const timeout = AbortSignal.timeout(waitMs);
        let isOver = false;
        ended.promise.then(() => {
          isOver = true;
        });
        while (received.length < count) {
          if (isOver || timeout.aborted) throw new Error(`${received.length} messages came, of ${count}`);
          await new Promise<void>((resolve) => {
            wake = resolve;
            timeout.addEventListener('abort', () => resolve(), { once: true });
          });
        }
        return received[count - 1]!;
      },
    };
  }
}
