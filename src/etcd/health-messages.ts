/** gRPC's own health service (grpc.health.v1), which etcd has too. */
import { enumOf, message, string } from './wire.ts';

export const ServingStatus = { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
/** `service` empty: the server as a whole. */
export const HealthCheckRequest = message({ service: string(1) });
export const HealthCheckResponse = message({ status: enumOf(1, ServingStatus) });
