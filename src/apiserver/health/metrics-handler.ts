/** GET /metrics: the requests' counters, the store's and the process's own numbers, in Prometheus' text format. */
import type { RequestMetrics } from '../metrics.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';

export function createMetricsHandler(
  metrics: RequestMetrics,
  storeMetrics: () => string,
  federated: () => Promise<string>,
) {
  return async (request: ApiRequest): Promise<ApiResponse | undefined> => {
    if (request.url.pathname !== '/metrics') return undefined;
    return {
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores' },
      body: metrics.render() + storeMetrics() + processMetrics() + (await federated()),
    };
  };
}

function processMetrics(): string {
  const { rss, heapUsed } = process.memoryUsage();
  const cpu = process.cpuUsage();
  return [
    '# HELP process_cpu_seconds_total CPU time spent, user and system.',
    '# TYPE process_cpu_seconds_total counter',
    `process_cpu_seconds_total ${(cpu.user + cpu.system) / 1e6}`,
    '# HELP process_resident_memory_bytes Memory in use, as the system counts it.',
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${rss}`,
    '# HELP nodejs_heap_size_used_bytes Heap in use.',
    '# TYPE nodejs_heap_size_used_bytes gauge',
    `nodejs_heap_size_used_bytes ${heapUsed}`,
    '',
  ].join('\n');
}
