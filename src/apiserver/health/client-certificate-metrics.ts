/** How long the certificates are good that clients show, counted at each request, by upstream's name and buckets. */
import type { Clock } from '#base/clock.ts';
import { Histogram } from '#base/histogram.ts';
import type { Authenticator } from '../request.ts';
import { family } from './metric-text.ts';

/** Nothing, half an hour, hours, days, a month, and up to a year. */
const boundsSeconds = [
  0, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 345600, 604800, 2592000, 7776000, 15552000, 31104000,
];
const name = 'apiserver_client_certificate_expiration_seconds';

export interface ClientCertificateMetrics {
  /** `authenticator`, with the certificates counted that it is shown. */
  counting(authenticator: Authenticator): Authenticator;
  render(): string;
}

export function createClientCertificateMetrics(clock: Pick<Clock, 'now'>): ClientCertificateMetrics {
  const left = new Histogram(boundsSeconds);
  return {
    counting: (authenticator) => ({
      ...authenticator,
      authenticate(request) {
        const expiresAtMs = request.peerCertificate?.expiresAtMs;
        if (expiresAtMs !== undefined) left.observe((expiresAtMs - clock.now()) / 1000);
        return authenticator.authenticate(request);
      },
    }),
    render() {
      const lines: string[] = [];
      family(lines, name, 'histogram', 'Time until the certificate expires that a request was authenticated with.');
      left.render(lines, name, '');
      return `${lines.join('\n')}\n`;
    },
  };
}
