/** The tables of #etcd/rpc.ts as gRPC services, and what happens at their edge: sizes, headers, errors. */
import type {
  ServerDuplexStream,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { status as Code } from '@grpc/grpc-js';
import type { Logger } from '#base/log.ts';
import type { ResponseHeader } from '#etcd/key-value.ts';
import type { Method } from '#etcd/rpc.ts';
import { StoreError } from '../store-error.ts';

/** A request with the size it had on the wire. */
export interface Sized<T> {
  body: T;
  bytes: number;
}

export type Unary<M> =
  M extends Method<infer Req, any, any, infer Res> ? (request: Req, bytes: number) => Res | Promise<Res> : never;
export type Stream = (call: ServerDuplexStream<Sized<any>, any> & ServerWritableStream<Sized<any>, any>) => void;

export interface ServiceTable {
  [name: string]: Method;
}
export type Handlers<T extends ServiceTable> = {
  [K in keyof T]: T[K]['responseStream'] extends true ? Stream : Unary<T[K]> | Stream;
};

/** What answers share: who this is. */
export type HeaderOf = (revision: number) => ResponseHeader;

export function serviceDefinition(table: ServiceTable): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(table).map(([name, method]) => [
      name,
      {
        path: method.path,
        requestStream: method.requestStream,
        responseStream: method.responseStream,
        requestSerialize: method.request.encode,
        requestDeserialize: (bytes: Buffer): Sized<unknown> => ({
          body: method.request.decode(bytes),
          bytes: bytes.length,
        }),
        // A response that is bytes already is sent as it is.
        responseSerialize: (response: unknown) =>
          Buffer.isBuffer(response) ? response : method.response.encode(response),
        responseDeserialize: method.response.decode,
      },
    ]),
  );
}

export function implementation<T extends ServiceTable>(
  table: T,
  handlers: { [K in keyof T]: ((request: any, bytes: number) => unknown) | Stream },
  log: Logger,
): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(table).map(([name, method]) => {
      const handler = handlers[name as keyof T] as (...args: any[]) => any;
      return [name, method.responseStream ? handler : unary(handler, log)];
    }),
  );
}

function unary(handler: (request: unknown, bytes: number) => unknown, log: Logger) {
  return (call: { request: Sized<unknown> }, callback: (error: object | null, response?: unknown) => void): void => {
    let result: unknown;
    try {
      result = handler(call.request.body, call.request.bytes);
    } catch (error) {
      callback(grpcError(error, log));
      return;
    }
    if (result instanceof Promise) {
      result.then(
        (response) => callback(null, response),
        (error: unknown) => callback(grpcError(error, log)),
      );
    } else callback(null, result);
  };
}

export function grpcError(error: unknown, log: Logger): { code: Code; details: string } {
  if (error instanceof StoreError) return { code: error.code, details: error.message };
  log.error({ error: error instanceof Error ? error.stack : String(error) }, 'request failed');
  return { code: Code.INTERNAL, details: 'evenkeel: internal error, see the log of the store' };
}
