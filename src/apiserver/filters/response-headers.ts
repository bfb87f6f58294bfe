import type { Clock } from '#base/clock.ts';
import type { RequestMetrics } from '../metrics.ts';
import type { Filter } from '../request.ts';

/** What every answer carries, and the request's line in the metrics. */
export function responseHeaders(metrics: RequestMetrics, clock: Clock): Filter {
  return async (request, next) => {
    const start = clock.monotonic();
    const response = await next(request);
    response.headers ??= {};
    const headers = response.headers;
    headers['audit-id'] = request.auditId;
    headers['cache-control'] ??= 'no-cache, private';
    if (request.flow) {
      headers['x-kubernetes-pf-flowschema-uid'] = request.flow.schemaUid;
      headers['x-kubernetes-pf-prioritylevel-uid'] = request.flow.levelUid;
    }
    if (request.warnings.length > 0) (headers as Record<string, unknown>)['warning'] = warningValues(request.warnings);
    metrics.finished(request, response.status, (clock.monotonic() - start) / 1000);
    return response;
  };
}

/** Upstream's limits: all together, and one text when there are too many of them. */
const warningsBytesMax = 4096;
const truncatedBytesMax = 256;

/** `299 - "text"`, each text once. */
function warningValues(warnings: readonly string[]): string[] {
  const unique = [...new Set(warnings)];
  const isTooLong = unique.reduce((sum, w) => sum + Buffer.byteLength(w), 0) > warningsBytesMax;
  const values: string[] = [];
  let size = 0;
  for (const warning of unique) {
    const text = isTooLong ? Buffer.from(warning).subarray(0, truncatedBytesMax).toString() : warning;
    size += Buffer.byteLength(text);
    if (size > warningsBytesMax) break;
    values.push(`299 - ${quote(text)}`);
  }
  return values;
}

/** A quoted-string of RFC 9110; control characters cannot be in a header. */
function quote(text: string): string {
  const safe = text.replace(/\p{Cc}+/gu, ' ').replace(/["\\]/g, '\\$&');
  // Header values are Latin-1 on the wire: UTF-8 bytes, one character each.
  return `"${Buffer.from(safe).toString('latin1')}"`;
}
