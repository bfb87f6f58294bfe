/**
 * What a process says of itself beside upstream's metrics, in Prometheus' text format: its clock, to be compared with the
 * reader's, and how long the certificate is good that it shows.
 */
import { X509Certificate } from 'node:crypto';
import type { Clock } from './clock.ts';

/** `certificate`: PEM. */
export function ownMetrics(clock: Pick<Clock, 'now'>, certificate?: string): () => string {
  const certificateLines = certificate === undefined ? '' : expirationLines(certificate);
  return () =>
    `# HELP evenkeel_time_seconds The clock of this process, seconds since the epoch.
# TYPE evenkeel_time_seconds gauge
evenkeel_time_seconds ${clock.now() / 1000}
${certificateLines}`;
}

function expirationLines(certificate: string): string {
  const name = 'evenkeel_serving_certificate_expiration_timestamp_seconds';
  const endMs = Date.parse(new X509Certificate(certificate).validTo);
  return `# HELP ${name} When the certificate ends that this process shows, seconds since the epoch.
# TYPE ${name} gauge
${name} ${endMs / 1000}
`;
}
