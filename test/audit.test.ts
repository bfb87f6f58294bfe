/** The audit log of an API server as a process: its file, its metrics, and what stops its start. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startApiServerProcess } from './apiserver-process.ts';
import { startOurEtcd } from './etcd-processes.ts';

const entry = join(import.meta.dirname, '..', 'bin', 'evenkeel.ts');

const policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/livez*", "/readyz*", "/healthz*", "/metrics"]
- level: Metadata
  resources: [{group: "", resources: [secrets]}]
- level: RequestResponse
  users: [admin]
  verbs: [create, update, patch, delete]
  omitManagedFields: true
- level: Metadata
`;

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'evenkeel-audit-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

for (const mode of ['blocking-strict', 'batch']) {
  test(`audit of a process: ${mode}: all that was done is in the file when it has ended`, async (t) => {
    const directory = directoryFor(t);
    const [policyFile, log] = [join(directory, 'policy.yaml'), join(directory, 'log', 'audit.log')];
    writeFileSync(policyFile, policy);
    const store = await startOurEtcd();
    t.after(() => store.stop());
    const flags = [`--audit-policy-file=${policyFile}`, `--audit-log-path=${log}`, `--audit-log-mode=${mode}`];
    const { client, end } = await startApiServerProcess(t, store.endpoint, flags);
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { password: 'hunter2' } };
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm' }, data: { k: 'v' } };
    await client.raw('POST', '/api/v1/namespaces/default/secrets', { body: secret });
    await client.raw('POST', '/api/v1/namespaces/default/configmaps', { body: map });
    await client.raw('GET', '/api/v1/namespaces/default/configmaps/m');
    await client.raw('GET', '/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1');
    const metrics = (await client.raw('GET', '/metrics')).body.toString();
    assert.match(metrics, /^apiserver_audit_event_total [1-9]/m);
    assert.match(metrics, /^apiserver_audit_requests_rejected_total 0$/m);
    assert.match(metrics, /^apiserver_audit_level_total\{level="RequestResponse"\} 1$/m);
    await end();

    const text = readFileSync(log, 'utf8');
    const events = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    const mine = events.filter((event) => event.user.username === 'admin' && event.userAgent === 'test');
    assert.deepEqual(
      mine.map(({ level, stage, verb, objectRef }) => [level, stage, verb, objectRef.resource, objectRef.name]),
      [
        ['Metadata', 'ResponseComplete', 'create', 'secrets', 's'],
        ['RequestResponse', 'ResponseComplete', 'create', 'configmaps', 'm'],
        ['Metadata', 'ResponseComplete', 'get', 'configmaps', 'm'],
        ['Metadata', 'ResponseStarted', 'watch', 'configmaps', undefined],
        ['Metadata', 'ResponseComplete', 'watch', 'configmaps', undefined],
      ],
    );
    assert.equal(mine[1].requestObject.data.k, 'v');
    assert.equal(mine[1].responseObject.metadata.name, 'm');
    assert.match(mine[1].responseObject.metadata.uid, /-/);
    assert.equal(mine[1].annotations['authorization.k8s.io/decision'], 'allow');
    assert.ok(!text.includes('hunter2') && !text.includes('managedFields') && !text.includes('RequestReceived'));
    assert.equal(statSync(log).mode & 0o777, 0o600);
  });
}

test('audit of a process: a policy with a fault: no start, and one line that names file and field', (t) => {
  const policyFile = join(directoryFor(t), 'policy.yaml');
  writeFileSync(policyFile, policy.replace('users: [admin]', 'user: [admin]'));
  const args = ['apiserver', '--etcd-servers=http://127.0.0.1:1', `--audit-policy-file=${policyFile}`];
  const flags = [`--cert-dir=${join(policyFile, '..')}`, '--secure-port=0', '--health-port=0', '--audit-log-path=-'];
  const { status, stderr, stdout } = spawnSync(process.execPath, [entry, ...args, ...flags], { encoding: 'utf8' });
  assert.notEqual(status, 0);
  assert.equal(stdout, '');
  const lines = stderr.trim().split('\n');
  assert.match(
    lines.at(-1)!,
    /policy\.yaml of --audit-policy-file is no good: strict decoding error: unknown field "rules\[2\]\.user"/,
  );
});
