import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import { optionsKind } from '../content/body.ts';
import type { WatchTracker } from '../flowcontrol/watch-tracker.ts';
import type { RequestMetrics } from '../metrics.ts';
import type { Registry, WriteContext } from '../registry/registry.ts';
import type { ApiRequest, ApiResponse, Authorizer } from '../request.ts';
import type { ExtensionEndpoint, RequestLimits } from '../server.ts';
import type { ServedResource } from './served-resource.ts';
import type { WatchBuffers } from './watch-buffers.ts';

/** What all endpoints share; made once. */
export interface EndpointContext {
  registry: Registry;
  authorizers: readonly Authorizer[];
  extensionEndpoints: ReadonlyMap<string, ExtensionEndpoint>;
  limits: RequestLimits;
  metrics: RequestMetrics;
  watchBuffers: WatchBuffers;
  watchTracker: WatchTracker;
  clock: Clock;
  random: () => number;
}

/** One verb on one resource. The request has been authorized; `served` is what it asks for. */
export type Endpoint = (context: EndpointContext, request: ApiRequest, served: ServedResource) => Promise<ApiResponse>;

/** On whose behalf the registry writes, and the options every write takes from the query. */
export function writeContext(request: ApiRequest): WriteContext {
  const query = request.url.search === '' ? undefined : request.url.searchParams;
  const errors = query ? fieldManagerErrors(query.get('fieldManager') ?? '') : [];
  if (errors.length > 0) throw apiErrors.invalid({ group: 'meta.k8s.io', kind: optionsKind(request) }, '', errors);
  return {
    user: request.user!,
    dryRun: query !== undefined && isDryRun(query.getAll('dryRun'), request),
    fieldManager: query?.get('fieldManager') || defaultManager(request),
    ...(request.resource ? { served: request.resource } : {}),
    addWarning: (text) => request.warnings.push(text),
    signal: request.signal,
  };
}

/** Throws 422 for anything but `All`. */
export function isDryRun(values: readonly string[], request: ApiRequest): boolean {
  const given = values.filter((value) => value !== '');
  if (given.length === 0) return false;
  if (given.every((value) => value === 'All')) return true;
  throw apiErrors.invalid({ group: 'meta.k8s.io', kind: optionsKind(request) }, '', [
    fieldError.notSupported('dryRun', given, ['All']),
  ]);
}

const managerBytesMax = 128;

function fieldManagerErrors(manager: string): FieldError[] {
  if (Buffer.byteLength(manager) > managerBytesMax) return [fieldError.tooLong('fieldManager', managerBytesMax)];
  let position = 0;
  for (const character of manager) {
    if (unprintable.test(character)) {
      const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
      const why = `invalid character U+${code} (at position ${position})`;
      return [fieldError.invalid('fieldManager', manager, why)];
    }
    position += Buffer.byteLength(character);
  }
  return [];
}
/** Of all white space, Go prints only the space. */
const unprintable = /^(?! )[\p{C}\p{Z}]$/u;

/** `kubectl/v1.36 (linux/amd64)` is `kubectl`. */
function defaultManager(request: ApiRequest): string {
  const agent = request.headers['user-agent'] ?? '';
  return agent.split('/')[0]!.slice(0, managerBytesMax) || 'unknown';
}

/** Of a request on a namespaced resource; '' for cluster-scoped ones. */
export function namespaceOf(request: ApiRequest, served: ServedResource): string {
  return served.info.namespaced ? request.info.namespace : '';
}
