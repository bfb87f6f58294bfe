import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createAuthority, issue } from '#base/certificates.ts';
import { OperatorError } from '#base/errors.ts';
import { realClock } from '#os/real-clock.ts';
import { readAuthorities, readClientPair } from './server-files.ts';

function directory(context: TestContext): (name: string, text: string) => string {
  const path = mkdtempSync(join(tmpdir(), 'evenkeel-server-files-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return (name, text) => {
    writeFileSync(join(path, name), text);
    return join(path, name);
  };
}

function refused(read: () => unknown, why: RegExp): void {
  assert.throws(
    read,
    (error) => error instanceof OperatorError && why.test(error.message) && !/\n/.test(error.message),
  );
}

test('server files: authorities: a file without one is refused by its flag', async (context) => {
  const file = directory(context);
  const { cert, key } = await createAuthority('clients', realClock);
  assert.equal(readAuthorities('client-ca-file', file('ca.crt', cert)), cert);
  refused(() => readAuthorities('client-ca-file', file('hosts', '127.0.0.1 localhost')), /--client-ca-file is no good/);
  refused(() => readAuthorities('client-ca-file', file('ca.key', key)), /holds no PEM certificate/);
  refused(() => readAuthorities('client-ca-file', join(tmpdir(), 'no-such-file')), /ENOENT.*--client-ca-file/);
});

test('server files: a client pair: expired, or of another key: refused by its flag', async (context) => {
  const file = directory(context);
  const authority = await createAuthority('etcd', realClock);
  const request = { commonName: 'apiserver', usages: ['client' as const] };
  const good = await issue(authority, request, realClock);
  const old = await issue(authority, request, { ...realClock, now: () => Date.now() - 800 * 86_400_000 });
  const read = (cert: string, key: string) =>
    readClientPair('etcd-certfile', file('c', cert), 'etcd-keyfile', file('k', key), realClock);
  assert.deepEqual(read(good.cert, good.key), good);
  refused(() => read(old.cert, old.key), /--etcd-certfile is no good: it expired on/);
  refused(() => read(good.cert, old.key), /--etcd-keyfile is no good: it is not the key/);
});
