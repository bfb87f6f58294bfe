import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { createEventRecorder } from './event-recorder.ts';
import { FakeClient } from './testing/fake-client.ts';
import { pod } from './testing/fixtures.ts';

const eventsResource = { group: '', version: 'v1', resource: 'events' };

function setUp() {
  const client = new FakeClient();
  const clock = new FakeClock();
  const recorder = createEventRecorder({ client, component: 'tester', clock, random: () => 0.5, log: silentLogger });
  return { client, clock, recorder, events: async () => (await client.resource(eventsResource).list()).items };
}

test('client: events: a repeat: is counted in the first', async () => {
  const { clock, recorder, events } = setUp();
  const object = pod('a', { metadata: { uid: 'u' } });
  recorder.event(object, 'Warning', 'Failed', 'no luck');
  await clock.advance(60_000);
  recorder.event(object, 'Warning', 'Failed', 'no luck');
  recorder.event(object, 'Normal', 'Done', 'luck');
  await recorder.flush();
  const found = await events();
  assert.deepEqual(
    found.map((e) => [e.reason, e.count, e.firstTimestamp, e.lastTimestamp, e.type]),
    [
      ['Failed', 2, '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z', 'Warning'],
      ['Done', 1, '2026-01-01T00:01:00Z', '2026-01-01T00:01:00Z', 'Normal'],
    ],
  );
  assert.equal(found[0]!.involvedObject.uid, 'u');
  assert.equal(found[0]!.source.component, 'tester');
  assert.match(found[0]!.metadata.name!, /^a\.[0-9a-f]+$/);
});

test('client: events: the first was deleted: a new one is made', async () => {
  const { client, recorder, events } = setUp();
  recorder.event(pod('a'), 'Normal', 'R', 'm');
  await recorder.flush();
  await client.resource(eventsResource, 'default').deleteCollection();
  recorder.event(pod('a'), 'Normal', 'R', 'm');
  await recorder.flush();
  assert.deepEqual(
    (await events()).map((e) => e.count),
    [1],
  );
});

test('client: events: the server is away: never throws, tries again, drops what is too much', async () => {
  const { client, clock, recorder, events } = setUp();
  let isDown = true;
  client.intercept = () => {
    if (isDown) throw new Error('connection lost');
  };
  for (let i = 0; i < 1500; i++) recorder.event(pod(`p${i}`), 'Normal', 'R', 'm');
  await clock.advance(500);
  isDown = false;
  await clock.advance(10_000);
  await recorder.flush();
  assert.equal((await events()).length, 1000);
});
