import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAuthority, issue } from '#base/certificates.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { loadKubeconfig, parseKubeconfig } from './kubeconfig.ts';

const clock = new FakeClock();
const authority = await createAuthority('test', clock);
const user = await issue(authority, { commonName: 'u', usages: ['client'] }, clock);
const another = await issue(authority, { commonName: 'v', usages: ['client'] }, clock);

const base64 = (text: string) => Buffer.from(text).toString('base64');
const yaml = `
apiVersion: v1
kind: Config
current-context: main
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443/', certificate-authority-data: ${base64(authority.cert)}}}]
users:
- name: u
  user: {client-certificate-data: ${base64(user.cert)}, client-key-data: ${base64(user.key)}}
- name: t
  user: {token: secret}
contexts:
- {name: main, context: {cluster: c, user: u}}
- {name: other, context: {cluster: c, user: t, namespace: web}}
`;

test('client: kubeconfig: inline data and contexts', async () => {
  assert.deepEqual(await parseKubeconfig(yaml, 'k'), {
    server: 'https://127.0.0.1:6443',
    ca: authority.cert,
    cert: user.cert,
    key: user.key,
    namespace: 'default',
  });
  const other = await parseKubeconfig(yaml, 'k', 'other');
  assert.equal(other.token, 'secret');
  assert.equal(other.namespace, 'web');
});

test('client: kubeconfig: files: relative to the kubeconfig, JSON too', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  t.after(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'ca.crt'), authority.cert);
  await writeFile(join(dir, 'token'), 'abc\n');
  const config = {
    'current-context': 'x',
    clusters: [{ name: 'x', cluster: { server: 'https://h:1', 'certificate-authority': 'ca.crt' } }],
    users: [{ name: 'x', user: { tokenFile: 'token' } }],
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
  };
  await writeFile(join(dir, 'config'), JSON.stringify(config));
  const loaded = await loadKubeconfig(join(dir, 'config'));
  assert.equal(loaded.ca, authority.cert);
  assert.equal(loaded.token, 'abc');
});

test('client: kubeconfig: refused: one line that names the file and the fault', async () => {
  const refused = async (text: string, message: RegExp) =>
    assert.rejects(parseKubeconfig(text, '/etc/k', undefined), { name: 'OperatorError', message });
  await assert.rejects(loadKubeconfig('/nowhere'), {
    name: 'OperatorError',
    message: /kubeconfig \/nowhere cannot be read/,
  });
  await refused('', /is empty/);
  await refused(': [', /\/etc\/k: is not valid YAML/);
  await refused('apiVersion: v1', /no current-context/);
  await refused(yaml.replace('current-context: main', 'current-context: gone'), /no context "gone"/);
  await refused(yaml.replace('cluster: c, user: u', 'cluster: d, user: u'), /no cluster "d"/);
  await refused(yaml.replace('https://127.0.0.1:6443/', 'nonsense'), /is no URL/);
  await refused(yaml.replace(/, client-key-data: \w+=*/, ''), /needs both client-certificate and client-key/);
  await refused(yaml.replace(base64(user.key), base64(another.key)), /client-key of user u .* not the key of/);
  await refused(yaml.replace(base64(user.cert), base64('no certificate')), /client-certificate of user u .* no PEM/);
  await refused(yaml.replace(base64(authority.cert), base64('no authority')), /certificate-authority holds no PEM/);
  const inTwoYears = { now: () => clock.now() + 2 * 365 * 86_400_000 };
  await assert.rejects(
    parseKubeconfig(yaml, '/etc/k', undefined, inTwoYears),
    /of user u .* expired on .*: issue a new/,
  );
});
