/** gRPC's health protocol: whoever is answered is served. */
import { Code } from '#etcd/error-catalogue.ts';
import { ServingStatus } from '#etcd/health-messages.ts';
import type { Health } from '#etcd/rpc.ts';
import { StoreError } from '../store-error.ts';
import type { ServerStream } from './grpc-server.ts';
import type { Unary } from './grpc-service.ts';

export function healthService() {
  const check: Unary<typeof Health.check> = ({ service }) => {
    if (service !== '') throw new StoreError(Code.NOT_FOUND, 'unknown service');
    return { status: ServingStatus.SERVING };
  };
  /** The status does not change for as long as the stream lives. */
  const watch = (stream: ServerStream<{ service: string }, unknown>) => {
    const isKnown = stream.request.body.service === '';
    stream.write({ status: isKnown ? ServingStatus.SERVING : ServingStatus.SERVICE_UNKNOWN });
    stream.on('cancelled', () => stream.end());
    stream.on('error', () => {});
  };
  return { check, watch };
}
