import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { selfSigned } from './certificates.ts';
import { ownMetrics } from './own-metrics.ts';
import { FakeClock } from './testing/fake-clock.ts';

test('own metrics: the clock as it is at each reading, and the end of the certificate', async () => {
  const clock = new FakeClock();
  const { cert } = await selfSigned('a', ['127.0.0.1'], clock);
  const render = ownMetrics(clock, cert);
  assert.ok(render().includes(`\nevenkeel_time_seconds ${clock.now() / 1000}\n`));
  await clock.advance(5000);
  assert.ok(render().includes(`\nevenkeel_time_seconds ${clock.now() / 1000}\n`));
  const end = Date.parse(new X509Certificate(cert).validTo) / 1000;
  assert.ok(render().includes(`\nevenkeel_serving_certificate_expiration_timestamp_seconds ${end}\n`));
  assert.doesNotMatch(ownMetrics(clock)(), /certificate/);
});
