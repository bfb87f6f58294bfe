/** How the API servers answer: fast, and without errors of their own. */
import type { AlertRule } from './alert-rule.ts';
import { above, divide, quantile, rate, select, sum } from './expression.ts';
import type { RuleOptions } from './rule-options.ts';

/** Requests that last as long as the client wants. */
export const notLongRunning = ['verb!~WATCH|WATCHLIST|CONNECT', 'subresource!~log|exec|attach|portforward|proxy'];
/** A server that stops, or starts, says so in its health probes, with 500: no client's request. */
export const ofResources = 'resource!=';

export function requestRules({ windowMs, latencySeconds, errorRatio }: RuleOptions): AlertRule[] {
  const buckets = select('apiserver_request_duration_seconds_bucket', 'job=apiserver', ...notLongRunning);
  const all = select('apiserver_request_total', 'job=apiserver', ofResources);
  const failed = select('apiserver_request_total', 'job=apiserver', ofResources, 'code=~5..');
  const share = divide(sum(['instance'], rate(failed, windowMs)), sum(['instance'], rate(all, windowMs)));
  return [
    {
      alert: 'KubeAPIServerLatencyHigh',
      group: 'apiserver',
      severity: 'warning',
      expression: above(quantile(0.99, sum(['instance', 'le'], rate(buckets, windowMs))), latencySeconds),
      forMs: 5 * 60_000,
      annotations: {
        summary: `The API server answers slowly: P99 above ${latencySeconds} s.`,
        description:
          'One in a hundred requests to {{ $labels.instance }} takes {{ printf "%.2f" $value }} s or longer, watches aside.',
        runbook:
          'Compare etcd_request_duration_seconds: when the store is slow, look at its disk. Otherwise look for a client that lists much (apiserver_request_total by verb and resource) and at the CPU of the API server.',
      },
      panel: { title: 'API server: P99 latency', unit: 's' },
    },
    {
      alert: 'KubeAPIServerErrorsHigh',
      group: 'apiserver',
      severity: 'critical',
      expression: above(share, errorRatio),
      forMs: 5 * 60_000,
      annotations: {
        summary: `The API server fails more than ${Number((errorRatio * 100).toPrecision(4))} % of its requests.`,
        description: '{{ $labels.instance }} answers {{ $value | humanizePercentage }} of its requests with 5xx.',
        runbook:
          'Ask /readyz?verbose of that API server what it lacks, and read its log. 500 and 503 with etcd-readiness failing: mend the store. 504: requests reach their deadline, see latency.',
      },
      panel: { title: 'API server: share of 5xx', unit: 'percentunit' },
    },
  ];
}
