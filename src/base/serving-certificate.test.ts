import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { selfSigned } from './certificates.ts';
import type { Clock } from './clock.ts';
import { servingCertificate } from './serving-certificate.ts';
import { FakeClock } from './testing/fake-clock.ts';

const directory = mkdtempSync(join(tmpdir(), 'evenkeel-certificate-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const clock: Clock = new FakeClock(Date.now());
const name = 'server';

function file(path: string, text: string): string {
  writeFileSync(join(directory, path), text);
  return join(directory, path);
}

test('serving certificate: none given: made once, kept, the key for its owner alone', async () => {
  const certDir = join(directory, 'new', 'certs');
  const first = await servingCertificate({ certDir, name, hosts: ['10.0.0.1'], clock });
  assert.equal(statSync(join(certDir, 'server.key')).mode & 0o777, 0o600);
  assert.deepEqual(await servingCertificate({ certDir, name, hosts: [], clock }), first);
});

test('serving certificate: the kept one has expired: made anew', async () => {
  const certDir = join(directory, 'old');
  const first = await servingCertificate({ certDir, name, hosts: [], clock });
  const later = new FakeClock(Date.now() + 400 * 86_400_000);
  const second = await servingCertificate({ certDir, name, hosts: [], clock: later });
  assert.notEqual(second.cert, first.cert);
  assert.equal(readFileSync(join(certDir, 'server.crt'), 'utf8'), second.cert);
});

test('serving certificate: bad files: one line with the file, the flag and the reason', async () => {
  const [a, b] = await Promise.all([selfSigned('a', [], clock), selfSigned('b', [], clock)]);
  const certFile = file('a.crt', a.cert);
  const keyFile = file('a.key', a.key);
  const refused = (options: object, text: RegExp) =>
    assert.rejects(servingCertificate({ name, hosts: [], clock, ...options }), {
      name: 'OperatorError',
      message: text,
    });
  await refused({ certFile }, /belong together/);
  await refused(
    { certFile, keyFile: join(directory, 'none') },
    /cannot read .*none \(ENOENT\): check --tls-private-key-file/,
  );
  await refused(
    { certFile: file('x.crt', 'x'), keyFile },
    /x\.crt of --tls-cert-file is no good: it holds no PEM certificate/,
  );
  await refused(
    { certFile, keyFile: file('b.key', b.key) },
    /b\.key of --tls-private-key-file is no good: it is not the key/,
  );
  const later = new FakeClock(Date.now() + 400 * 86_400_000);
  await refused({ certFile, keyFile, clock: later }, /a\.crt of --tls-cert-file is no good: it expired on/);
  await refused(
    { certDir: join(certFile, 'below-a-file') },
    /cannot keep a certificate in .*choose another --cert-dir/,
  );
});
