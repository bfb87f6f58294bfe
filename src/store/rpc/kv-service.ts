import type { ResponseHeader } from '#etcd/key-value.ts';
import type { KV } from '#etcd/rpc.ts';
import type { Store } from '../store.ts';
import { errors } from '../store-error.ts';
import { checkDeleteRange, checkPut, checkRange, checkTxn } from './check-request.ts';
import type { HeaderOf, Unary } from './grpc-service.ts';

export interface KvLimits {
  maxRequestBytes: number;
  maxTxnOps: number;
}

export function kvService(
  store: Store,
  headerOf: HeaderOf,
  limits: KvLimits,
): { [K in keyof typeof KV]: Unary<(typeof KV)[K]> } {
  const checkSize = (bytes: number) => {
    if (bytes > limits.maxRequestBytes) throw errors.requestTooLarge();
  };
  const withHeader = <T extends { header?: ResponseHeader | undefined }>(response: T): T => {
    response.header = headerOf(response.header!.revision);
    return response;
  };
  const answered = async <T extends { header?: ResponseHeader | undefined }>(response: T | Promise<T>) =>
    withHeader(await response);

  return {
    range(request) {
      checkRange(request);
      const response = store.range(request);
      return response instanceof Promise ? response.then(withHeader) : withHeader(response);
    },
    put(request, bytes) {
      checkSize(bytes);
      checkPut(request);
      return store.put(request).then(withHeader);
    },
    deleteRange(request, bytes) {
      checkSize(bytes);
      checkDeleteRange(request);
      return store.deleteRange(request).then(withHeader);
    },
    txn(request, bytes) {
      checkSize(bytes);
      checkTxn(request, limits.maxTxnOps);
      return answered(store.txn(request));
    },
    async compact({ revision, physical }) {
      await store.compact(revision, physical);
      return { header: headerOf(store.revision) };
    },
  };
}
