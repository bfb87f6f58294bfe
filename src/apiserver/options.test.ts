import assert from 'node:assert/strict';
import { test } from 'node:test';
import facts from '#apis/facts/flags/kube-apiserver.json' with { type: 'json' };
import { apiServerFlags } from './flags.ts';
import { parseCommandLine } from './options.ts';

const required = ['--etcd-servers=http://127.0.0.1:2379'];

async function options(...argv: string[]) {
  const parsed = await parseCommandLine([...required, ...argv]);
  assert.ok(parsed.action === 'run');
  return parsed;
}

/** A value that a flag of each type takes. */
function sample(flag: { name: string; type: string; default: string }): string {
  const byName: Record<string, string> = {
    'etcd-servers': 'http://127.0.0.1:2379',
    'authorization-mode': 'RBAC',
    'audit-log-format': 'json',
    'audit-log-mode': 'batch',
    'audit-log-version': 'audit.k8s.io/v1',
    'audit-webhook-mode': 'batch',
    'audit-webhook-version': 'audit.k8s.io/v1',
    'enable-admission-plugins': 'NodeRestriction',
    'disable-admission-plugins': 'ServiceAccount',
    'admission-control': 'NodeRestriction',
    'service-cluster-ip-range': '10.0.0.0/24',
    'service-node-port-range': '30000-32767',
    'feature-gates': 'AllAlpha=false',
    'watch-cache-sizes': 'secrets=500',
  };
  const byType: Record<string, string> = {
    bool: 'true',
    'version[=true]': 'false',
    int: '1',
    uint: '1',
    Level: '2',
    duration: '1m',
    float32: '1.5',
    ip: '127.0.0.1',
    mapStringString: 'a=b',
    stringToString: 'a=b',
    colonSeparatedMultimapStringString: 'a=b',
  };
  return byName[flag.name] ?? byType[flag.type] ?? 'x';
}

test('options: flags: every flag of upstream is accepted', async () => {
  for (const flag of facts.flags) {
    if (flag.name === 'help') continue;
    const argv = [...required, `--${flag.name}=${sample(flag)}`];
    await assert.doesNotReject(parseCommandLine(argv), `--${flag.name}`);
  }
});

test('options: flags: an invented one is refused, with the nearest', async () => {
  await assert.rejects(options('--etcd-server=x'), /unknown flag: --etcd-server; did you mean --etcd-servers\?/);
});

test('options: flags: what has no effect says so once', async () => {
  const { warnings } = await options('--profiling=false', '--profiling=true', '--v=2');
  assert.deepEqual(warnings, ['--profiling has no effect in evenkeel']);
});

test('options: flags: help shows only what has an effect', () => {
  const shown = apiServerFlags().filter((f) => !f.inert);
  assert.ok(shown.every((f) => f.description !== ''));
  assert.ok(shown.some((f) => f.name === 'health-port'));
});

test('options: values: what envtest passes', async () => {
  const { options: o } = await options(
    '--authorization-mode=RBAC',
    '--disable-admission-plugins=ServiceAccount',
    '--service-cluster-ip-range=10.0.0.0/24',
    '--secure-port=0',
    '--bind-address=127.0.0.1',
    '--allow-privileged=true',
    '--service-account-issuer=https://127.0.0.1:1/',
  );
  assert.deepEqual(o.authorizationModes, ['RBAC']);
  assert.deepEqual(o.admission.disabled, ['ServiceAccount']);
  assert.deepEqual(o.serviceAccounts.apiAudiences, ['https://127.0.0.1:1/']);
  assert.equal(o.securePort, 0);
});

const refused: [argv: string[], message: RegExp][] = [
  [['--authorization-mode=Magic'], /--authorization-mode: give AlwaysAllow, AlwaysDeny, Node, RBAC/],
  [['--enable-admission-plugins=Magic'], /no such admission plugin/],
  [['--service-cluster-ip-range=10.0.0.0'], /give a CIDR/],
  [['--service-cluster-ip-range=10.0.0.0/31'], /too small/],
  [['--service-node-port-range=9'], /give FIRST-LAST/],
  [['--feature-gates=Magic=true'], /unrecognized feature gate: Magic/],
  [['--feature-gates=APIServerTracing=false'], /locked to true/],
  [['--bind-address=here'], /give an IP address/],
  [['--secure-port=70000'], /give 0 to 65535/],
  [['--max-requests-inflight=-1'], /--max-requests-inflight: give 0 or more/],
  [['--request-timeout=-5s'], /--request-timeout: give 0s or more/],
  [['--watch-cache-sizes=secrets'], /give resource\[\.group\]=size/],
  [['extra'], /unexpected argument: extra/],
];
test('options: values: refused with the remedy', async () => {
  for (const [argv, message] of refused) await assert.rejects(options(...argv), message);
  await assert.rejects(parseCommandLine([]), /--etcd-servers is missing/);
  await assert.rejects(parseCommandLine(['--etcd-servers=127.0.0.1:2379']), /give http\(s\):\/\/host:port/);
  await assert.rejects(options('--etcd-read-servers=127.0.0.1:23790'), /for --etcd-read-servers: give http\(s\):/);
});
