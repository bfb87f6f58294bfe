import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiRequest, Authenticator } from '../request.ts';
import { createClientCertificateMetrics } from './client-certificate-metrics.ts';

const nobody: Authenticator = { name: 'nobody', authenticate: () => undefined };
const withCertificate = (expiresAtMs: number) =>
  ({ peerCertificate: { commonName: 'a', organizations: [], expiresAtMs } }) as unknown as ApiRequest;

test('client certificate metrics: counts the time left at each request, and passes requests on', async () => {
  const now = 1_000_000;
  const metrics = createClientCertificateMetrics({ now: () => now });
  const answers: string[] = [];
  const counting = metrics.counting({
    ...nobody,
    authenticate: () => {
      answers.push('asked');
      return undefined;
    },
  });
  counting.authenticate(withCertificate(now + 1_000_000));
  counting.authenticate(withCertificate(now + 86_400_000 * 400));
  counting.authenticate({ peerCertificate: undefined } as unknown as ApiRequest);
  assert.equal(answers.length, 3);
  const text = metrics.render();
  assert.match(text, /_bucket\{le="0"\} 0\n.*_bucket\{le="1800"\} 1\n/);
  assert.match(text, /_bucket\{le="31104000"\} 1\n.*_bucket\{le="\+Inf"\} 2\n/);
});
