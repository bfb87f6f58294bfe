/** The scheduler as a process: its command line, its HTTPS port, its end. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '#base/testing/free-port.ts';

const program = join(import.meta.dirname, '../../bin/evenkeel.ts');

function start(t: TestContext, ...flags: string[]): ChildProcess & { output(): string; ended: Promise<number | null> } {
  const child = spawn(process.execPath, [program, 'scheduler', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  t.after(() => child.kill('SIGKILL'));
  return Object.assign(child, { output: () => output, ended });
}

/** Its API server does not exist: it keeps trying. */
async function kubeconfig(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'scheduler-'));
  t.after(() => rm(dir, { recursive: true }));
  const path = join(dir, 'kubeconfig');
  const config = {
    'current-context': 'c',
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
    users: [{ name: 'c', user: { token: 't' } }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

function ask(port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body }));
    }).on('error', reject);
  });
}

async function untilItAnswers(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await ask(port, '/livez');
      return;
    } catch (error) {
      if (tries === 400) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

test('scheduler: process: without an API server: is alive, not ready, counts nothing, ends when asked', async (t) => {
  const port = await freePort();
  const child = start(t, '--kubeconfig', await kubeconfig(t), '--bind-address=127.0.0.1', `--secure-port=${port}`);
  await untilItAnswers(port);
  assert.deepEqual(await ask(port, '/healthz'), { status: 200, body: 'ok' });
  assert.equal((await ask(port, '/readyz')).status, 500);
  const { body } = await ask(port, '/metrics');
  assert.match(body, /leader_election_master_status\{name="kube-scheduler"\} 0/);
  assert.match(body, /scheduler_pending_pods\{queue="active"\} 0/);
  assert.match(body, /^scheduler_scheduling_attempts 0$/m);
  assert.match(body, /^evenkeel_time_seconds \d+/m);
  assert.match(body, /^evenkeel_serving_certificate_expiration_timestamp_seconds \d+$/m);
  child.kill('SIGTERM');
  assert.equal(await child.ended, 0);
});

test('scheduler: process: wrong use: one line and status 2, operating errors status 1', async (t) => {
  const cases: [flags: string[], status: number, message: RegExp][] = [
    [[], 2, /^evenkeel scheduler: no API server: give --kubeconfig FILE/],
    [['--leader-elct'], 2, /unknown flag: --leader-elct; did you mean --leader-elect\?/],
    [['--kubeconfig=/nowhere'], 1, /^evenkeel scheduler: kubeconfig \/nowhere cannot be read/],
    [['--config=/nowhere'], 1, /^evenkeel scheduler: configuration \/nowhere cannot be read/],
    [
      ['--kubeconfig', await kubeconfig(t), '--leader-elect-lease-duration=5s'],
      1,
      /--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline/,
    ],
  ];
  const children = cases.map(([flags]) => start(t, ...flags));
  for (const [i, [flags, status, message]] of cases.entries()) {
    const child = children[i]!;
    assert.equal(await child.ended, status, flags.join(' '));
    assert.match(child.output(), message);
    assert.equal(child.output().trimEnd().split('\n').length, 1, child.output());
  }
});
