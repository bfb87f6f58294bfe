/** What ends all by itself: certificates; and what certificates, tokens and Leases are read with: clocks. */
import type { AlertRule } from './alert-rule.ts';
import { above, below, type Expression, instant, minus, quantile, rate, select, sum } from './expression.ts';
import type { RuleOptions } from './rule-options.ts';

const urgentShare = 1 / 7;

export function securityRules({ windowMs, certificateExpiryMs, clockSkewSeconds }: RuleOptions): AlertRule[] {
  const buckets = select('apiserver_client_certificate_expiration_seconds_bucket', 'job=apiserver');
  const clientLeft = quantile(0.01, sum(['instance', 'le'], rate(buckets, windowMs)));
  const servingEnd = select('evenkeel_serving_certificate_expiration_timestamp_seconds');
  const servingLeft = minus(instant(servingEnd), { kind: 'time' });
  const clock = select('evenkeel_time_seconds');
  const skew: Expression = { kind: 'abs', of: minus(instant(clock), { kind: 'timestamp', selector: clock }) };
  const seconds = (severity: AlertRule['severity']) =>
    Math.round((certificateExpiryMs / 1000) * (severity === 'critical' ? urgentShare : 1));
  const both = ['warning', 'critical'] as const;
  return [
    ...both.map(
      (severity): AlertRule => ({
        alert: 'KubeClientCertificateExpiration',
        group: 'security',
        severity,
        expression: below(clientLeft, seconds(severity)),
        forMs: 5 * 60_000,
        annotations: {
          summary: 'A client certificate is about to expire.',
          description: `A client of {{ $labels.instance }} shows a certificate that expires within ${days(seconds(severity))}; then it is refused.`,
          runbook:
            'evenkeel certs makes those of a data directory anew; restart their users, or evenkeel up. For others: look at the client-certificate of each kubeconfig with openssl x509 -noout -enddate.',
        },
        panel: { title: 'Client certificates: shortest time left', unit: 's' },
      }),
    ),
    ...both.map(
      (severity): AlertRule => ({
        alert: 'KubeServingCertificateExpiration',
        group: 'security',
        severity,
        expression: below(servingLeft, seconds(severity)),
        forMs: 5 * 60_000,
        annotations: {
          summary: 'A serving certificate is about to expire.',
          description: `The certificate of {{ $labels.job }} at {{ $labels.instance }} expires within ${days(seconds(severity))}; then no client trusts it.`,
          runbook: 'evenkeel certs makes it anew; the process shows it from its next start.',
        },
        panel: { title: 'Serving certificates: time left', unit: 's' },
      }),
    ),
    {
      alert: 'EvenkeelClockSkew',
      group: 'security',
      severity: 'warning',
      expression: above(skew, clockSkewSeconds),
      forMs: 5 * 60_000,
      annotations: {
        summary: 'The clock of a host is wrong.',
        description:
          'The clock of {{ $labels.job }} at {{ $labels.instance }} differs by {{ printf "%.1f" $value }} s from that of who reads its metrics.',
        runbook:
          'Compare timedatectl on both hosts and mend the synchronisation (chrony, systemd-timesyncd). Tokens and certificates seem not valid yet, or no longer, where a clock is wrong.',
      },
      panel: { title: 'Clocks: difference', unit: 's' },
    },
  ];
}

function days(seconds: number): string {
  return seconds >= 2 * 86_400 ? `${Math.round(seconds / 86_400)} days` : `${Math.round(seconds / 3600)} hours`;
}
