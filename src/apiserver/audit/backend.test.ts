import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '#base/errors.ts';
import { parseFlags } from '#base/flags.ts';
import { type Logger, silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { realClock } from '#os/real-clock.ts';
import { apiServerFlags } from '../flags.ts';
import { parseAuditOptions } from './audit-options.ts';
import { configureAudit } from './configure.ts';
import type { AuditEvent } from './event.ts';

const policy = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n';

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'evenkeel-audit-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function configured(t: TestContext, argv: string[], context: Partial<{ clock: FakeClock; log: Logger }> = {}) {
  const policyFile = join(directoryFor(t), 'policy.yaml');
  writeFileSync(policyFile, policy);
  const options = parseAuditOptions(parseFlags(apiServerFlags(), [`--audit-policy-file=${policyFile}`, ...argv]));
  const audit = await configureAudit(options, { clock: realClock, random: () => 0, log: silentLogger, ...context });
  return { audit, process: audit.auditor!.process, metrics: audit.metrics };
}

function event(fields: Partial<AuditEvent> = {}): AuditEvent {
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: 'id',
    stage: 'ResponseComplete',
    requestURI: '/api',
    verb: 'get',
    user: { username: 'a "b"', groups: ['g', 'h'] },
    impersonatedUser: undefined,
    sourceIPs: ['10.0.0.1'],
    userAgent: 'x\ny',
    objectRef: undefined,
    responseStatus: { metadata: {}, code: 200 },
    requestObject: undefined,
    responseObject: undefined,
    requestReceivedTimestamp: '2026-01-31T09:08:07.123000Z',
    stageTimestamp: '2026-01-31T09:08:07.124000Z',
    annotations: undefined,
    ...fields,
  };
}

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);

test('audit log: blocking: the event is in the file when it was taken', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const { process, audit } = await configured(t, [`--audit-log-path=${path}`]);
  assert.equal(await process(event({ requestObject: '{"a":1}', annotations: { k: 'v' } })), true);
  const line = JSON.parse(linesOf(path)[0]!);
  assert.deepEqual(line.requestObject, { a: 1 });
  assert.deepEqual(Object.keys(line), [
    ...['kind', 'apiVersion', 'level', 'auditID', 'stage', 'requestURI', 'verb', 'user', 'sourceIPs', 'userAgent'],
    ...['responseStatus', 'requestObject', 'requestReceivedTimestamp', 'stageTimestamp', 'annotations'],
  ]);
  await audit.close();
});

test('audit log: blocking: the first stage need not be waited for: it is there before the last', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const { process, audit } = await configured(t, [`--audit-log-path=${path}`]);
  assert.equal(process(event({ stage: 'RequestReceived' })), true);
  const complete = process(event());
  assert.notEqual(complete, true);
  assert.equal(await complete, true);
  assert.deepEqual(
    linesOf(path).map((line) => JSON.parse(line).stage),
    ['RequestReceived', 'ResponseComplete'],
  );
  await audit.close();
});

test('audit log: blocking: what nobody waits for is there soon as well', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const clock = new FakeClock();
  const { process, audit } = await configured(t, [`--audit-log-path=${path}`], { clock });
  process(event({ stage: 'RequestReceived' }));
  await clock.advance(1);
  assert.equal(linesOf(path).length, 0);
  await clock.advance(1);
  assert.equal(linesOf(path).length, 1);
  process(event({ stage: 'RequestReceived' }));
  await audit.close();
  assert.equal(linesOf(path).length, 2);
});

test('audit log: strict: the first stage is waited for', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const { process, audit } = await configured(t, [`--audit-log-path=${path}`, '--audit-log-mode=blocking-strict']);
  const received = process(event({ stage: 'RequestReceived' }));
  assert.notEqual(received, true);
  assert.equal(await received, true);
  assert.equal(linesOf(path).length, 1);
  await audit.close();
});

test('audit log: blocking: much of it in one turn is written in between', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const { process, audit } = await configured(t, [`--audit-log-path=${path}`]);
  const answers = [1, 2, 3].map(() => process(event({ requestObject: JSON.stringify('x'.repeat(600_000)) })));
  assert.equal(linesOf(path).length, 2);
  assert.deepEqual(await Promise.all(answers), [true, true, true]);
  assert.equal(linesOf(path).length, 3);
  await audit.close();
});

test('audit log: legacy: a line of text', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const { process, audit } = await configured(t, [`--audit-log-path=${path}`, '--audit-log-format=legacy']);
  process(event());
  process(event({ user: {}, responseStatus: undefined, impersonatedUser: { username: 'c' } }));
  await audit.close();
  assert.deepEqual(linesOf(path), [
    '2026-01-31T09:08:07.123000Z AUDIT: id="id" stage="ResponseComplete" ip="10.0.0.1" method="get" user="a \\"b\\"" groups="g","h" as="<self>" asgroups=<lookup> user-agent="x\\ny" namespace=<none> uri="/api" response="200"',
    '2026-01-31T09:08:07.123000Z AUDIT: id="id" stage="ResponseComplete" ip="10.0.0.1" method="get" user="<none>" groups=<none> as="c" asgroups=<lookup> user-agent="x\\ny" namespace=<none> uri="/api" response="<deferred>"',
  ]);
});

test('audit log: batch: written soon, and all of it when the server stops', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const argv = [`--audit-log-path=${path}`, '--audit-log-mode=batch'];
  const { process, audit, metrics } = await configured(t, argv);
  for (let i = 0; i < 2500; i++) assert.equal(process(event({ auditID: String(i) })), true);
  assert.equal(linesOf(path).length, 0, 'not while the request waits');
  await audit.close();
  assert.deepEqual(
    linesOf(path).map((line) => JSON.parse(line).auditID),
    Array.from({ length: 2500 }, (_, i) => String(i)),
  );
  assert.equal(metrics.errors.size, 0);
});

test('audit log: batch: what the buffer does not hold is lost, counted, and said', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const said: object[] = [];
  const log = { ...silentLogger, error: (fields: object) => void said.push(fields) };
  const argv = [`--audit-log-path=${path}`, '--audit-log-mode=batch', '--audit-log-batch-buffer-size=10'];
  const { process, audit, metrics } = await configured(t, argv, { log });
  for (let i = 0; i < 100; i++) assert.equal(process(event()), true);
  await audit.close();
  assert.equal(linesOf(path).length, 10);
  assert.match(metrics.render(), /^apiserver_audit_error_total\{plugin="buffered"\} 90$/m);
  assert.equal(said.length, 1, 'once, not ninety times');
});

for (const [mode, isTaken] of [
  ['blocking', true],
  ['blocking-strict', false],
  ['batch', true],
] as const) {
  test(`audit log: full disk: ${mode}: counted`, { skip: !existsSync('/dev/full') }, async (t) => {
    const { process, audit, metrics } = await configured(t, ['--audit-log-path=/dev/full', `--audit-log-mode=${mode}`]);
    assert.equal(await process(event()), isTaken);
    assert.equal(await process(event()), isTaken);
    await audit.close();
    assert.match(metrics.render(), /^apiserver_audit_error_total\{plugin="log"\} 2$/m);
  });
}

test('audit log: truncation: objects go first, then the event', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const argv = ['--audit-log-truncate-enabled', '--audit-log-truncate-max-event-size=1000'];
  const { process, audit, metrics } = await configured(t, [`--audit-log-path=${path}`, ...argv]);
  process(event({ responseObject: JSON.stringify('x'.repeat(100)) }));
  process(event({ responseObject: JSON.stringify('ü'.repeat(400)), annotations: { k: 'v' } }));
  process(event({ requestURI: `/${'x'.repeat(1000)}` }));
  await audit.close();
  const lines = linesOf(path).map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  assert.equal(lines[0].responseObject.length, 100);
  assert.equal(lines[1].responseObject, undefined);
  assert.deepEqual(lines[1].annotations, { k: 'v', 'audit.k8s.io/truncated': 'true' });
  assert.equal(metrics.errors.get('truncate'), 1);
});

test('audit: no policy: the backends stay closed, and that is said', async (t) => {
  const path = join(directoryFor(t), 'audit.log');
  const said: string[] = [];
  const options = parseAuditOptions(parseFlags(apiServerFlags(), [`--audit-log-path=${path}`]));
  const log = { ...silentLogger, warn: (_: object, text: string) => void said.push(text) };
  const audit = await configureAudit(options, { clock: realClock, random: () => 0, log });
  assert.equal(audit.auditor, undefined);
  assert.equal(existsSync(path), false);
  assert.deepEqual(said, ['no --audit-policy-file is given: nothing is recorded']);
  assert.match(audit.metrics.render(), /^apiserver_audit_event_total 0$/m);
});

for (const [title, argv, message] of [
  [
    'a policy that is not there',
    ['--audit-policy-file=/nowhere/p'],
    /^cannot read \/nowhere\/p \(ENOENT\): check --audit-policy-file$/,
  ],
  [
    'a log that cannot be',
    ['--audit-log-path=/dev/null/a'],
    /^cannot write \/dev\/null\/a \(E\w+\): check --audit-log-path$/,
  ],
  ['a log that is a directory', ['--audit-log-path=/tmp'], /^cannot write \/tmp \(EISDIR\): check --audit-log-path$/],
  [
    'a webhook file that is not there',
    ['--audit-webhook-config-file=/nowhere/w'],
    /^cannot read \/nowhere\/w \(ENOENT\): check --audit-webhook-config-file$/,
  ],
] as [string, string[], RegExp][]) {
  test(`audit: refused: ${title}`, async (t) => {
    await assert.rejects(configured(t, argv), (error: Error) => {
      assert.ok(error instanceof OperatorError, String(error.stack));
      assert.match(error.message, message);
      return true;
    });
  });
}

test('audit: refused: a policy with a fault, by file and field', async (t) => {
  const file = join(directoryFor(t), 'p.yaml');
  writeFileSync(file, policy.replace('RequestResponse', 'Everything'));
  await assert.rejects(configured(t, [`--audit-policy-file=${file}`]), {
    name: 'OperatorError',
    message: new RegExp(
      `^${file} of --audit-policy-file is no good: rules\\[0\\]\\.level: Unsupported value: "Everything"`,
    ),
  });
});

/** Answers by `statuses`, the last of them for ever; keeps what was sent. */
async function receiver(t: TestContext, statuses: number[]) {
  const bodies: any[] = [];
  const requests: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    request.on('end', () => {
      requests.push(request);
      bodies.push(JSON.parse(text));
      response.writeHead(statuses.length > 1 ? statuses.shift()! : statuses[0]!).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const configFile = join(directoryFor(t), 'webhook.yaml');
  const cluster = { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}/audit` };
  const config = {
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: 'secret' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(configFile, JSON.stringify(config));
  return { bodies, requests, flag: `--audit-webhook-config-file=${configFile}` };
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!isTrue()) {
    assert.ok(performance.now() < end, `it did not come to be that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('audit webhook: batch: lists of events, to the path of the kubeconfig', async (t) => {
  const { bodies, requests, flag } = await receiver(t, [200]);
  const { process, audit } = await configured(t, [flag, '--audit-webhook-batch-max-size=2']);
  for (const auditID of ['a', 'b', 'c']) assert.equal(process(event({ auditID })), true);
  await until('the full batch is there', () => bodies.length === 1);
  assert.deepEqual([requests[0]!.method, requests[0]!.url], ['POST', '/audit']);
  assert.equal(requests[0]!.headers.authorization, 'Bearer secret');
  assert.equal(bodies[0].kind, 'EventList');
  assert.equal(bodies[0].apiVersion, 'audit.k8s.io/v1');
  await audit.close();
  assert.deepEqual(
    bodies.map((list) => list.items.map((item: AuditEvent) => item.auditID)),
    [['a', 'b'], ['c']],
  );
});

test('audit webhook: blocking: the request waits for the answer', async (t) => {
  const { bodies, flag } = await receiver(t, [200]);
  const { process, audit } = await configured(t, [flag, '--audit-webhook-mode=blocking-strict']);
  assert.equal(await process(event()), true);
  assert.equal(bodies.length, 1);
  await audit.close();
});

test('audit webhook: failure: tried again ever later, then given up', async (t) => {
  const { bodies, flag } = await receiver(t, [500]);
  const clock = new FakeClock();
  const argv = [flag, '--audit-webhook-mode=blocking-strict', '--audit-webhook-initial-backoff=10s'];
  const { process, audit, metrics } = await configured(t, argv, { clock });
  const stored = process(event());
  for (const [i, waitMs] of [10_000, 15_000, 22_500, 33_750].entries()) {
    await until('it was tried', () => bodies.length === i + 1 && clock.pendingTimers === 1);
    await clock.advance(waitMs - 1);
    assert.equal(bodies.length, i + 1);
    await clock.advance(1);
  }
  assert.equal(await stored, false);
  assert.equal(bodies.length, 5);
  assert.equal(metrics.errors.get('webhook'), 1);
  await audit.close();
});

test('audit webhook: a receiver that comes back: nothing is lost', async (t) => {
  const { bodies, flag } = await receiver(t, [503, 503, 200]);
  const argv = [flag, '--audit-webhook-mode=blocking-strict', '--audit-webhook-initial-backoff=1ms'];
  const { process, audit, metrics } = await configured(t, argv);
  assert.equal(await process(event()), true);
  assert.equal(bodies.length, 3);
  assert.equal(metrics.errors.size, 0);
  await audit.close();
});

test('audit: two backends: each has every event, and one that fails is enough to refuse', async (t) => {
  const { bodies, flag } = await receiver(t, [500]);
  const path = join(directoryFor(t), 'audit.log');
  const argv = ['--audit-webhook-mode=blocking-strict', '--audit-webhook-initial-backoff=1ms'];
  const { process, audit } = await configured(t, [flag, `--audit-log-path=${path}`, ...argv]);
  assert.equal(await process(event()), false);
  assert.equal(linesOf(path).length, 1);
  assert.equal(bodies.length, 5);
  await audit.close();
});
