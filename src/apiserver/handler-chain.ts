/**
 * START READING HERE. Every request passes these filters, outermost first, and ends in an endpoint:
 *
 *     response-headers   audit-id, cache-control, warnings; counts and times       → never refuses
 *     panic-recovery     anything thrown below becomes a Status                    → 500
 *     request-info       verb, resource, namespace, name                           → never refuses
 *     deadline           what takes too long is answered for                       → 504
 *     authentication     who asks                                                  → 401
 *     audit              written down, if there is a policy                        → 500
 *     impersonation      as whom                                                   → 403
 *     priority-and-fairness  its seats, at once or after its turn                    → 429
 *       (or max-in-flight    too much at once)                                     → 429
 *     authorization      may they                                                  → 403
 *     max-body           declared too large: refused before it is read             → 413
 *     compression        large answers, if the client takes gzip                   → never refuses
 *     endpoints/…        admission, registry, storage                              → everything else
 */
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { createDispatcher } from './endpoints/dispatcher.ts';
import { audit, auditFailedAuthentication, auditResponseObjects } from './filters/audit.ts';
import { authentication } from './filters/authentication.ts';
import { authorization } from './filters/authorization.ts';
import { compression } from './filters/compression.ts';
import { deadline } from './filters/deadline.ts';
import { impersonation } from './filters/impersonation.ts';
import { maxBody } from './filters/max-body.ts';
import { maxInFlight } from './filters/max-in-flight.ts';
import { panicRecovery } from './filters/panic-recovery.ts';
import { priorityAndFairness } from './filters/priority-and-fairness.ts';
import { requestInfo } from './filters/request-info.ts';
import { responseHeaders } from './filters/response-headers.ts';
import { WatchTracker } from './flowcontrol/watch-tracker.ts';
import { createWorkEstimator, type WorkFacts } from './flowcontrol/work-estimate.ts';
import { createRequestMetrics } from './metrics.ts';
import type { Registry } from './registry/registry.ts';
import type { Filter, Handler } from './request.ts';
import type { ApiServerOptions, RequestLimits } from './server.ts';

export interface HandlerChainOptions extends Omit<ApiServerOptions, 'limits' | 'listeners'> {
  limits: RequestLimits;
  clock: Clock;
  log: Logger;
}

export function createHandler(options: HandlerChainOptions): Handler {
  const metrics = options.metrics ?? createRequestMetrics();
  const watchTracker = new WatchTracker();
  const { auditor } = options;
  const filters: Filter[] = [
    responseHeaders(metrics, options.clock),
    panicRecovery(options.log),
    requestInfo,
    deadline(options.limits.requestTimeoutMs, options.clock),
    ...(auditor ? [auditFailedAuthentication(auditor, options.clock)] : []),
    authentication(options.authenticators),
    ...(auditor ? [audit(auditor, options.clock)] : []),
    impersonation(options.authorizers),
    options.flowControl
      ? priorityAndFairness({
          flowControl: options.flowControl,
          estimator: createWorkEstimator(workFacts(options.registry, watchTracker)),
          waitMsMax: options.limits.requestTimeoutMs / 4,
          clock: options.clock,
        })
      : maxInFlight(options.limits, metrics),
    authorization(options.authorizers),
    maxBody(options.limits.maxBodyBytes),
    compression,
    ...(auditor ? [auditResponseObjects] : []),
  ];
  return compose(filters, createDispatcher({ ...options, watchTracker }));
}

function workFacts(registry: Registry, watchTracker: WatchTracker): WorkFacts {
  return {
    objectCount(group, resource) {
      const storage = registry.resource(group, resource)?.storage;
      return storage?.ready() ? storage.count() : undefined;
    },
    interestedWatches: ({ info }) => watchTracker.interested(info),
  };
}

/** Built once, so that a request makes no closures on its way down. */
export function compose(filters: readonly Filter[], endpoint: Handler): Handler {
  return filters.reduceRight<Handler>((next, filter) => (request) => filter(request, next), endpoint);
}
