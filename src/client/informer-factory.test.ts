import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiErrors } from '#apimachinery/status-error.ts';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { createInformerFactory } from './informer-factory.ts';
import { FakeClient } from './testing/fake-client.ts';
import { pod, podsResource } from './testing/fixtures.ts';

function setUp() {
  const client = new FakeClient();
  const clock = new FakeClock();
  const informers = createInformerFactory({ client, clock, random: () => 0.5, log: silentLogger });
  const stop = new AbortController();
  const seen: string[] = [];
  const informer = informers.informer(podsResource);
  informer.addHandler({
    added: (o) => seen.push(`+${o.metadata.name}`),
    updated: (o) => seen.push(`~${o.metadata.name}`),
    deleted: (o) => seen.push(`-${o.metadata.name}`),
  });
  const running = informers.run(stop.signal);
  const end = () => {
    stop.abort();
    return running;
  };
  return { client, clock, informers, informer, seen, end, pods: client.resource(podsResource, 'default') };
}

for (const isStreaming of [true, false]) {
  test(`client: informer: ${isStreaming ? 'streaming' : 'ordinary'} list: state, then changes in order`, async () => {
    const { client, clock, informer, seen, end, pods } = setUp();
    if (!isStreaming) {
      client.intercept = ({ verb }) => {
        const isFirstWatch = verb === 'watch' && client.actions.filter((a) => a.verb === 'list').length === 0;
        if (isFirstWatch) throw apiErrors.badRequest('sendInitialEvents is forbidden');
      };
    }
    await pods.create(pod('a'));
    await clock.advance(1);
    assert.equal(informer.synced, true);
    const a = await pods.get('a');
    await pods.create(pod('b'));
    await pods.update({ ...a, spec: { nodeName: 'n' } });
    await pods.delete('b');
    await clock.advance(1);
    assert.deepEqual(seen, ['+a', '+b', '~a', '-b']);
    assert.equal(informer.get('default/a')?.spec.nodeName, 'n');
    await end();
  });
}

test('client: informer: a lost connection: resumes without a gap or a repeat', async () => {
  const { client, clock, seen, end, pods } = setUp();
  await clock.advance(1);
  await pods.create(pod('a'));
  await clock.advance(1);
  for (let i = 0; i < 5; i++) {
    client.breakWatches();
    await pods.create(pod(`b${i}`));
    await clock.advance(20_000);
  }
  assert.deepEqual(seen, ['+a', '+b0', '+b1', '+b2', '+b3', '+b4']);
  await end();
});

test('client: informer: expired: fetches all again and tells the difference', async () => {
  const { client, clock, informer, seen, end, pods } = setUp();
  await pods.create(pod('kept'));
  await pods.create(pod('gone'));
  await pods.create(pod('reborn'));
  await clock.advance(1);
  seen.length = 0;
  let isDown = true;
  client.intercept = ({ verb }) => {
    if (verb === 'watch' && isDown) throw new Error('down');
  };
  client.breakWatches();
  await clock.advance(1);
  await pods.delete('gone');
  await pods.delete('reborn');
  await pods.create(pod('reborn'));
  await pods.create(pod('new'));
  client.compact();
  await pods.create(pod('newer'));
  isDown = false;
  await clock.advance(60_000);
  assert.deepEqual(seen, ['-reborn', '+reborn', '+new', '+newer', '-gone']);
  assert.equal(informer.list().length, 4);
  await end();
});

test('client: informer: indexes and late handlers: see what there is', async () => {
  const { clock, informer, informers, end, pods } = setUp();
  informer.addIndex('node', (o) => (o.spec.nodeName ? [o.spec.nodeName] : []));
  await pods.create(pod('a', { spec: { nodeName: 'n1' } }));
  await pods.create(pod('b', { spec: { nodeName: 'n1' } }));
  await clock.advance(1);
  assert.deepEqual(
    informer.byIndex('node', 'n1').map((o) => o.metadata.name),
    ['a', 'b'],
  );
  const a = await pods.get('a');
  await pods.update({ ...a, spec: { nodeName: 'n2' } });
  await clock.advance(1);
  assert.deepEqual(
    informer.byIndex('node', 'n1').map((o) => o.metadata.name),
    ['b'],
  );
  assert.equal(informers.informer(podsResource), informer);
  const late: string[] = [];
  informer.addHandler({ added: (o) => late.push(o.metadata.name!) });
  assert.deepEqual(late.sort(), ['a', 'b']);
  await end();
});

test('client: informer: a resource that is no longer served: ends, and what it held is told as deleted', async () => {
  const { client, clock, informers, informer, seen, end, pods } = setUp();
  await pods.create(pod('a'));
  await clock.advance(1);
  informers.stop(podsResource);
  await clock.advance(1);
  assert.deepEqual(seen, ['+a', '-a']);
  client.actions.length = 0;
  client.breakWatches();
  await clock.advance(60_000);
  assert.deepEqual(client.actions, []);
  const next = informers.informer(podsResource);
  await clock.advance(1);
  assert.notEqual(next, informer);
  assert.deepEqual(
    next.list().map((o) => o.metadata.name),
    ['a'],
  );
  await end();
});

test('client: informer: metadata only: nothing else is kept, and a whole one that exists is shared', async () => {
  const { client, clock, informers, informer, end, pods } = setUp();
  const secrets = { group: '', version: 'v1', resource: 'secrets' };
  await pods.create(pod('a'));
  const managedFields = [{ manager: 'm' }];
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', managedFields }, data: { key: 'value' } };
  await client.resource(secrets, 'default').create(secret);
  assert.equal(informers.informer(podsResource, { metadataOnly: true }), informer);
  const metadata = informers.informer(secrets, { metadataOnly: true });
  const whole = informers.informer(secrets);
  await clock.advance(1);
  assert.deepEqual(Object.keys(metadata.get('default/s')!), ['apiVersion', 'kind', 'metadata']);
  assert.equal(metadata.get('default/s')!.metadata.managedFields, undefined);
  assert.deepEqual(whole.get('default/s')!['data'], { key: 'value' });
  await end();
});
