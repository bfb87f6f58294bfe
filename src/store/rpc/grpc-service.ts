/** The tables of #etcd/rpc.ts as gRPC services: what their handlers look like, and what their errors become. */
import type { Logger } from '#base/log.ts';
import { Code } from '#etcd/grpc-status.ts';
import type { ResponseHeader } from '#etcd/key-value.ts';
import type { Method } from '#etcd/rpc.ts';
import { StoreError } from '../store-error.ts';
import type { Cancellable, ServerStream, Status, StreamMethod, UnaryMethod } from './grpc-server.ts';

export type Unary<M> =
  M extends Method<infer Req, any, any, infer Res>
    ? (request: Req, bytes: number, call: Cancellable) => Res | Promise<Res>
    : never;
export type Stream = (call: ServerStream<any, any>) => void;

export interface ServiceTable {
  [name: string]: Method;
}

/** What answers share: who this is. */
export type HeaderOf = (revision: number) => ResponseHeader;

/** The methods of a service, by path. */
export function serviceMethods<T extends ServiceTable>(
  table: T,
  handlers: { [K in keyof T]: ((request: any, bytes: number, call: Cancellable) => unknown) | Stream },
): [path: string, UnaryMethod | StreamMethod][] {
  return Object.entries(table).map(([name, { path, request, response, requestStream, responseStream }]) => {
    const handler = handlers[name as keyof T];
    return responseStream
      ? [path, { request, response, stream: handler as Stream, isRequestStream: requestStream }]
      : [path, { request, response, unary: handler as UnaryMethod['unary'] }];
  });
}

export function grpcError(error: unknown, log: Logger): Status {
  if (error instanceof StoreError) return { code: error.code, details: error.message };
  log.error({ error: error instanceof Error ? error.stack : String(error) }, 'request failed');
  return { code: Code.INTERNAL, details: 'evenkeel: internal error, see the log of the store' };
}
