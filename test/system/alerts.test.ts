/** A real Prometheus, configured by `evenkeel render`, watches a real control plane and sees it lose its API server. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AlertRule } from '#checks/alerts/alert-rule.ts';
import { promqlOf, type Selector, select, selectorsOf } from '#checks/alerts/expression.ts';
import { ruleDefaults } from '#checks/alerts/rule-options.ts';
import { alertRules } from '#checks/alerts/rules.ts';
import { withoutPrometheus } from '../promtool.ts';
import { ControlPlane, evenkeel, execute, freePort, temporaryDirectory, until } from './control-plane.ts';

/** Of Prometheus' API. */
interface Answer {
  status: string;
  error?: string;
  data: any;
}

const skip = withoutPrometheus;
const directory = temporaryDirectory();
const configuration = join(directory, 'monitoring');
let plane: ControlPlane;
let prometheus: ChildProcess | undefined;
let server = '';

before(async () => {
  if (!skip) plane = await ControlPlane.start(['--masters', '1', '--nodes', '0'], join(directory, 'data'));
});
after(async () => {
  if (prometheus && prometheus.exitCode === null) {
    prometheus.kill('SIGKILL');
    await once(prometheus, 'exit');
  }
  await plane?.destroy();
  rmSync(directory, { recursive: true, force: true });
});

const quick = ['--scrape-interval', '1s', '--window', '10s', '--for', '2s'];
const render = (...args: string[]) =>
  evenkeel(['render', 'prometheus', '--data-dir', plane.dataDir, '--output-dir', configuration, ...args]);
const alerts = (...args: string[]) => evenkeel(['alerts', '--output', 'json', '--window', '3s', ...args]);
const get = async (path: string) => (await (await fetch(`${server}/api/v1/${path}`)).json()) as Answer;
const ask = async (path: string) => (await get(path)).data;
const query = async (text: string): Promise<unknown[]> => {
  const answer = await get(`query?query=${encodeURIComponent(text)}`);
  assert.equal(answer.status, 'success', `${text}: ${answer.error}`);
  return answer.data.result;
};
const firing = async (): Promise<string[]> =>
  (await ask('alerts')).alerts
    .filter((a: { state: string }) => a.state === 'firing')
    .map(({ labels }: { labels: Record<string, string> }) => `${labels['alertname']} ${labels['job'] ?? ''}`.trim());

test('render: prometheus: files that Prometheus takes, for their owner alone, never written over unasked', {
  skip,
}, async () => {
  const first = await render('--grafana', ...quick);
  assert.equal(first.code, 0, first.stderr);
  const files = first.stdout.trim().split('\n');
  assert.deepEqual(
    files.map((f) => f.slice(configuration.length + 1)),
    ['prometheus.yml', 'evenkeel-rules.yml', 'evenkeel-dashboard.json'],
  );
  for (const file of files) assert.equal(statSync(file).mode & 0o777, 0o600, file);
  const config = await execute(['promtool', 'check', 'config', files[0]!]);
  assert.equal(config.code, 0, config.stderr);
  const rules = await execute(['promtool', 'check', 'rules', files[1]!]);
  assert.match(rules.stdout, /SUCCESS: \d+ rules found/);
  const again = await render(...quick);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /prometheus\.yml.* exists: give --force .*\n$/);
  assert.equal((await render('--force', '--grafana', ...quick)).code, 0);
});

test('prometheus: scrapes every component, and nothing fires while all is well', { skip }, async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  server = `http://${listen}`;
  prometheus = spawn(
    'prometheus',
    [
      `--config.file=${join(configuration, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'tsdb')}`,
      `--web.listen-address=${listen}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const targets = await until('every target is up', async () => {
    const { activeTargets } = await ask('targets?state=active');
    return (
      activeTargets.length > 0 && activeTargets.every((t: { health: string }) => t.health === 'up') && activeTargets
    );
  });
  assert.deepEqual(targets.map((t: { labels: { job: string } }) => t.labels.job).sort(), [
    'apiserver',
    'etcd',
    'kube-controller-manager',
    'kube-lb',
    'kube-scheduler',
    'kubelet',
  ]);
  await until(
    'nothing fires',
    async () => (await query('rate(apiserver_request_total[10s])')).length > 0 && (await firing()).length === 0,
  );
});

test('alert rules: every metric in them is one that some component exports', { skip }, async () => {
  const rules: AlertRule[] = alertRules(ruleDefaults);
  const metrics = new Map<string, Selector>();
  for (const { metric, matchers } of rules.flatMap((r) => selectorsOf(r.expression))) {
    const job = matchers.find((m) => m.label === 'job');
    metrics.set(`${metric} ${job?.value}`, select(metric, ...(job ? [`job=${job.value}`] : [])));
  }
  assert.ok(metrics.size > 10);
  for (const selector of metrics.values()) {
    const text = promqlOf({ kind: 'instant', selector });
    await until(`there is ${text}`, async () => (await query(text)).length > 0, 10_000);
  }
});

test('dashboard: every expression in it is one that Prometheus answers', { skip }, async () => {
  const dashboard = JSON.parse(readFileSync(join(configuration, 'evenkeel-dashboard.json'), 'utf8'));
  assert.ok(dashboard.schemaVersion >= 36);
  const panels: { id: number; type: string; targets?: { expr: string }[] }[] = dashboard.panels;
  assert.equal(new Set(panels.map((p) => p.id)).size, panels.length);
  const expressions = panels.flatMap((p) => p.targets?.map((t) => t.expr) ?? []);
  assert.ok(expressions.length > 10);
  for (const expression of expressions) await query(expression);
});

test('alerts: nobody is missed: status 0; no control plane, wrong key: status 2', { skip }, async () => {
  const well = await until('no alert fires', async () => {
    const outcome = await alerts('--data-dir', plane.dataDir);
    return outcome.code === 0 ? outcome : undefined;
  });
  const seen = JSON.parse(well.stdout);
  assert.equal(seen.targets.length, 6);
  assert.deepEqual(new Set(seen.targets.map((t: { state: string }) => t.state)), new Set(['up']));
  assert.deepEqual(seen.untold, []);
  const byKubeconfig = await alerts('--kubeconfig', plane.kubeconfig);
  assert.equal(byKubeconfig.code, 0, byKubeconfig.stdout + byKubeconfig.stderr);
  const nothing = await alerts('--data-dir', join(directory, 'nothing'));
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /there is no control plane in .*: start one with evenkeel up.*\n$/);
  // The simulated nodes' certificate is a good one, but not for metrics.
  const refused = await alerts('--kubeconfig', join(plane.dataDir, 'kubeconfigs', 'simulated-nodes.conf'));
  assert.equal(refused.code, 2, refused.stdout + refused.stderr);
  assert.match(refused.stdout, /it answers 403/);
});

test('an API server stops: Prometheus and `evenkeel alerts` tell; it comes back: they are quiet again', {
  skip,
}, async () => {
  const manifest = join(plane.dataDir, 'manifests', 'master1', 'kube-apiserver.yaml');
  const aside = join(directory, 'kube-apiserver.yaml');
  renameSync(manifest, aside);
  const expected = ['KubeAPIDown apiserver', 'KubeAPIServerRedundancyLost', 'TargetDown apiserver'];
  const all = await until('it fires', async () => {
    const names = await firing();
    return expected.every((e) => names.includes(e) || names.includes(e.replace(/ .*/, ''))) ? names : undefined;
  });
  assert.ok(all.includes('TargetDown apiserver'), all.join());
  const { code, stdout } = await alerts('--data-dir', plane.dataDir);
  assert.equal(code, 1, stdout);
  const { findings } = JSON.parse(stdout) as { findings: { alert: string; state: string }[] };
  const names = findings.filter((f) => f.state === 'firing').map((f) => f.alert);
  for (const alert of ['KubeAPIDown', 'KubeAPIServerRedundancyLost', 'TargetDown'])
    assert.ok(names.includes(alert), stdout);
  renameSync(aside, manifest);
  await until('these alerts end', async () => {
    const left = await firing();
    return !left.some((name) => /^(KubeAPIDown|KubeAPIServerRedundancyLost|TargetDown apiserver)/.test(name));
  });
});
