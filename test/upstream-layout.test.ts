/**
 * What an API server writes is what upstream's writes with --storage-media-type=application/json: by the key and to the
 * byte, read with etcdctl from a real etcd. And what upstream would have written there is served.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, type StdioOptions, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import observed from '#apis/facts/defaults-observed.json' with { type: 'json' };
import facts from '#apis/facts/resources.json' with { type: 'json' };
import { freePort } from '#base/testing/free-port.ts';
import { ended, startRealEtcd } from './etcd-processes.ts';
import type { RunningEtcd } from './etcd-suite.ts';

const isMissing = !existsSync('/usr/bin/etcd') || !existsSync('/usr/bin/etcdctl');
if (isMissing && process.env['CI'] === 'true')
  throw new Error('real etcd is missing: install etcd-server, etcd-client');

interface Sample {
  group: string;
  version: string;
  resource: string;
  sent: any;
}

const spec = (kind: string, more: object = {}) => ({ metadata: { name: `sample-${kind}` }, ...more });
const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' };
/** Those that the observed facts leave out. */
const more: Sample[] = [
  ['', 'v1', 'configmaps', spec('a', { data: { k: 'ü <&> \u2028' }, binaryData: { b: 'AAEC' } })],
  ['', 'v1', 'events', spec('a', { involvedObject: { kind: 'Pod', namespace: 'layout', name: 'x' }, reason: 'Why' })],
  ['', 'v1', 'podtemplates', spec('a', { template: { spec: { containers: [{ name: 'c', image: 'i' }] } } })],
  ['', 'v1', 'resourcequotas', spec('a', { spec: { hard: { pods: '10' } } })],
  ['', 'v1', 'serviceaccounts', spec('a')],
  ['apps', 'v1', 'controllerrevisions', spec('a', { revision: 1, data: { a: 1 } })],
  ['events.k8s.io', 'v1', 'events', spec('b', newEvent())],
  ['rbac.authorization.k8s.io', 'v1', 'clusterroles', spec('a', { rules: [] })],
  ['rbac.authorization.k8s.io', 'v1', 'clusterrolebindings', spec('a', { roleRef: role })],
  ['rbac.authorization.k8s.io', 'v1', 'roles', spec('a', { rules: [] })],
  ['storage.k8s.io', 'v1', 'csinodes', spec('a', { spec: { drivers: [] } })],
  ['storage.k8s.io', 'v1', 'csistoragecapacities', spec('a', { storageClassName: 's' })],
].map(([group, version, resource, sent]) => ({ group, version, resource, sent }) as Sample);

function newEvent() {
  return {
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'example.com/x',
    reportingInstance: 'x',
    action: 'Do',
    reason: 'Why',
    type: 'Normal',
    regarding: { kind: 'Pod', namespace: 'layout', name: 'x' },
  };
}

describe('upstream layout', {
  skip: isMissing && 'real etcd is not installed (Debian: etcd-server etcd-client)',
}, () => {
  let etcd: RunningEtcd;
  let server: Server;
  before(async () => {
    etcd = await startRealEtcd();
    server = await startServer(etcd.endpoint, ['--etcd-compaction-interval=1s']);
    assert.equal((await server.call('POST', '/api/v1/namespaces', { metadata: { name: 'layout' } })).status, 201);
  });
  after(async () => {
    await server?.stop();
    await etcd?.stop();
  });

  const etcdctl = async (...args: string[]) => {
    const env = { ...process.env, ETCDCTL_API: '3' };
    const { stdout } = await promisify(execFile)('etcdctl', [`--endpoints=${etcd.endpoint}`, ...args], { env });
    return stdout;
  };
  const read = async (key: string) => {
    const { kvs = [] } = JSON.parse(await etcdctl('get', key, '-w', 'json'));
    const kv = kvs[0];
    return kv && { text: Buffer.from(kv.value, 'base64').toString(), revision: kv.mod_revision };
  };

  test('upstream layout: objects of every kind: keys and values', async () => {
    const samples = [...observed.cases, ...more] as Sample[];
    const seen = new Set<string>();
    const unserved: string[] = [];
    for (const { group, version: asked, resource, sent } of samples) {
      const fact = facts.resources.find(
        (r) => r.group === group && r.version === asked && r.resource === resource && !('subresource' in r),
      ) as any;
      const gv = group === '' ? `/api/${asked}` : `/apis/${group}/${asked}`;
      const where = fact.namespaced ? `${gv}/namespaces/layout/${resource}` : `${gv}/${resource}`;
      const made = await server.call('POST', where, sent);
      if (made.status === 404) {
        unserved.push(`${group}/${resource}`);
        continue;
      }
      assert.equal(made.status, 201, `${where}: ${JSON.stringify(made.body)}`);
      const key = fact.etcdKey.replace('{namespace}', 'layout').replace('{name}', made.body.metadata.name);
      const stored = await read(key);
      assert.ok(stored, `${resource} is not at ${key}`);
      seen.add(`${group}/${resource}`);
      const value = JSON.parse(stored.text);
      assert.equal(stored.text, `${goJson(value)}\n`, `${key}: as Go's encoder writes it`);
      assert.deepEqual(Object.keys(value).slice(0, 3), ['kind', 'apiVersion', 'metadata'], key);
      // Upstream still writes v1beta1 of this one, which nobody serves any more, and reads v1 as well.
      const version = resource === 'customresourcedefinitions' ? 'apiextensions.k8s.io/v1' : fact.storageVersion;
      assert.ok(fact.decodableVersions.includes(version));
      assert.deepEqual([value.kind, value.apiVersion], [fact.storageKind, version], key);
      assert.equal('resourceVersion' in value.metadata, false, key);
      assert.ok(value.metadata.uid && value.metadata.creationTimestamp, key);
      const name = `${where}/${made.body.metadata.name}`;
      const path = name.replace(`${gv}/`, version === 'v1' ? '/api/v1/' : `/apis/${version}/`);
      const served = await server.call('GET', path);
      const { resourceVersion, ...metadata } = served.body.metadata;
      assert.deepEqual({ ...served.body, metadata }, value, key);
      assert.equal(resourceVersion, String(stored.revision), key);
    }
    assert.ok(seen.size >= 49, `${seen.size} kinds; not served: ${unserved}`);
  });

  test('upstream layout: beside the objects: nothing that upstream does not have there', async () => {
    const known = facts.resources.flatMap((r) => ('etcdPrefix' in r && r.etcdPrefix ? [`${r.etcdPrefix}/`] : []));
    const plain = ['/registry/masterleases/', '/registry/ranges/servicenodeports', 'compact_rev_key'];
    const keys = (await etcdctl('get', '', '--prefix', '--keys-only')).split('\n').filter((key) => key !== '');
    assert.ok(keys.length > 50);
    assert.deepEqual(
      keys.filter((key) => ![...known, ...plain].some((prefix) => key.startsWith(prefix))),
      [],
    );
  });

  test('upstream layout: leases: Events live for --event-ttl, masterleases for 15 s', async () => {
    const grantedOf = async (lease: bigint) => {
      const hex = lease.toString(16);
      const answer = await etcdctl('lease', 'timetolive', hex);
      return Number(/granted with TTL\((\d+)s\)/.exec(answer)?.[1]);
    };
    // JSON numbers lose the last bits of a lease: ask for it in text.
    const leaseOf = async (key: string) => {
      const fields = await etcdctl('get', key, '-w', 'fields');
      return BigInt(/"Lease" : (\d+)/.exec(fields)![1]!);
    };
    const event = await grantedOf(await leaseOf('/registry/events/layout/sample-a'));
    assert.ok(event >= 3600 && event <= 3660, String(event));
    assert.equal(await leaseOf('/registry/configmaps/layout/sample-a'), 0n);
    assert.equal(await grantedOf(await leaseOf('/registry/masterleases/127.0.0.1')), 15);
    const { text } = (await read('/registry/masterleases/127.0.0.1'))!;
    assert.equal(
      text,
      '{"kind":"Endpoints","apiVersion":"v1","metadata":{},"subsets":[{"addresses":[{"ip":"127.0.0.1"}]}]}\n',
    );
    const ports = JSON.parse((await read('/registry/ranges/servicenodeports'))!.text);
    assert.deepEqual([ports.kind, ports.apiVersion, ports.range], ['RangeAllocation', 'v1', '30000-32767']);
  });

  test('upstream layout: compact_rev_key: the compacted revision in decimal, as upstream’s servers read it', async () => {
    let mark = '0';
    await until('something is compacted', async () => {
      await server.call('POST', '/api/v1/namespaces/layout/configmaps', { metadata: { generateName: 'c' } });
      mark = (await read('compact_rev_key'))?.text ?? '0';
      return Number(mark) > 0;
    });
    assert.match(mark, /^[1-9]\d*$/);
    await assert.rejects(etcdctl('get', 'x', `--rev=${Number(mark) - 1}`), /required revision has been compacted/);
  });

  test('upstream layout: what upstream wrote: is served, changed and deleted', async () => {
    const time = '2026-01-01T00:00:00Z';
    const config =
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"theirs","namespace":"layout",' +
      `"uid":"11111111-2222-3333-4444-555555555555","creationTimestamp":"${time}",` +
      `"managedFields":[{"manager":"kubectl-create","operation":"Update","apiVersion":"v1","time":"${time}",` +
      '"fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:k":{}}}}]},"data":{"k":"\\u003ca\\u0026b\\u003e"}}\n';
    const scaler =
      '{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v2","metadata":{"name":"theirs","namespace":"layout",' +
      `"uid":"11111111-2222-3333-4444-666666666666","creationTimestamp":"${time}"},"spec":{"scaleTargetRef":` +
      '{"kind":"Deployment","name":"x","apiVersion":"apps/v1"},"minReplicas":1,"maxReplicas":3,"metrics":[{"type":' +
      '"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]},"status":' +
      '{"desiredReplicas":0,"currentMetrics":null}}\n';
    await etcdctl('put', '/registry/configmaps/layout/theirs', config);
    await etcdctl('put', '/registry/horizontalpodautoscalers/layout/theirs', scaler);
    const path = '/api/v1/namespaces/layout/configmaps/theirs';
    const served = await server.call('GET', path);
    const stored = (await read('/registry/configmaps/layout/theirs'))!;
    const { resourceVersion, ...metadata } = served.body.metadata;
    assert.deepEqual({ ...served.body, metadata }, JSON.parse(config));
    assert.equal(resourceVersion, String(stored.revision));
    const old = await server.call('GET', '/apis/autoscaling/v1/namespaces/layout/horizontalpodautoscalers/theirs');
    assert.equal(old.body.spec.targetCPUUtilizationPercentage, 80, 'in the version it was asked for');

    const same = await server.call('PUT', path, served.body);
    assert.equal(same.body.metadata.resourceVersion, resourceVersion, 'what does not change is not written');
    const changed = await server.call('PUT', path, { ...served.body, data: { k: 'ours' } });
    assert.equal(changed.status, 200);
    assert.match((await read('/registry/configmaps/layout/theirs'))!.text, /"data":\{"k":"ours"\}\}\n$/);
    assert.equal((await server.call('DELETE', path)).status, 200);
    assert.equal(await read('/registry/configmaps/layout/theirs'), undefined);
  });

  test('upstream layout: --etcd-prefix: another cluster in the same etcd', async (t) => {
    const other = await startServer(etcd.endpoint, ['--etcd-prefix=/other/']);
    t.after(() => other.stop());
    const made = await other.call('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'apart' } });
    assert.equal(made.status, 201);
    assert.ok(await read('/other/configmaps/default/apart'));
    assert.ok(await read('/other/masterleases/127.0.0.1'));
    assert.equal((await server.call('GET', '/api/v1/namespaces/default/configmaps/apart')).status, 404);
    assert.equal((await other.call('GET', '/api/v1/namespaces/layout')).status, 404);
  });
});

/** As Go's encoding/json writes it: these characters are escaped so that HTML may hold the text. */
function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

interface Server {
  call(method: string, path: string, body?: object): Promise<{ status: number; body: any }>;
  stop(): Promise<void>;
}

async function startServer(store: string, flags: readonly string[]): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'evenkeel-layout-'));
  writeFileSync(join(directory, 'tokens.csv'), 'admintoken,admin,admin,"system:masters"\n');
  const [port, health] = [await freePort(), await freePort()];
  const args = [
    ...flags,
    `--etcd-servers=${store}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--health-port=${health}`,
    `--cert-dir=${directory}`,
    `--token-auth-file=${join(directory, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-cluster-ip-range=10.0.0.0/24',
    '--disable-admission-plugins=ServiceAccount',
  ];
  const evenkeel = join(import.meta.dirname, '..', 'bin', 'evenkeel.ts');
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe'];
  const child: ChildProcess = spawn(process.execPath, [evenkeel, 'apiserver', ...args], { stdio });
  let log = '';
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    log += piece;
  });
  const stop = async () => {
    await ended(child, 'SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  try {
    await until('the API server is ready', async () => {
      return (await fetch(`http://127.0.0.1:${health}/readyz`)).status === 200;
    });
  } catch (error) {
    await stop();
    throw new Error(log, { cause: error });
  }
  return {
    call: (method, path, body) =>
      new Promise((resolve, reject) => {
        const headers = { authorization: 'Bearer admintoken', 'content-type': 'application/json' };
        const sent = request({ host: '127.0.0.1', port, method, path, headers, agent }, async (response) => {
          let text = '';
          for await (const piece of response.setEncoding('utf8')) text += piece;
          resolve({ status: response.statusCode!, body: text.startsWith('{') ? JSON.parse(text) : text });
        });
        sent.on('error', reject);
        sent.end(body && JSON.stringify(body));
      }),
    stop() {
      agent.destroy();
      return stop();
    },
  };
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await isTrue().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`it did not come to be that ${what}`);
}
