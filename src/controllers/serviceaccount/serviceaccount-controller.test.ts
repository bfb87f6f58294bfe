import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '#apimachinery/status-error.ts';
import { resources } from '../resources.ts';
import { bench, namespace } from '../testing/fixtures.ts';
import { serviceAccountController } from './serviceaccount-controller.ts';

const accounts = resources.serviceaccounts;

test('serviceaccount: every namespace gets one, again when it is deleted, and nothing is asked at rest', async () => {
  const b = await bench([serviceAccountController], {
    prepare: (client) => client.resource(resources.namespaces).create(namespace('early')),
  });
  await b.of(resources.namespaces, '').create(namespace('late'));
  await b.pass();
  assert.deepEqual(
    b.list(accounts).map((a) => a.metadata.namespace),
    ['early', 'late'],
  );
  await b.of(accounts, 'late').delete('default');
  await b.pass();
  assert.ok(b.get(accounts, 'late/default'));
  b.client.actions.length = 0;
  await b.pass(10 * 60_000);
  assert.deepEqual(b.client.actions, []);
  await b.stop();
});

test('serviceaccount: the namespace is going away: none, and no try again', async () => {
  const b = await bench([serviceAccountController]);
  await b.of(resources.namespaces, '').create(namespace('n'));
  await b.pass();
  await b.of(resources.namespaces, '').delete('n');
  await b.of(accounts, 'n').delete('default');
  await b.pass();
  assert.deepEqual(b.list(accounts), []);
  // The server knew before we did.
  b.client.intercept = ({ verb }) => {
    if (verb !== 'create') return;
    const details = { causes: [{ reason: 'NamespaceTerminating', message: '', field: '' }] };
    throw new StatusError({ code: 403, reason: 'Forbidden', message: 'terminating', details });
  };
  b.client.write(resources.namespaces, namespace('m'));
  await b.pass(60_000);
  assert.deepEqual(b.writes().filter((w) => w === 'create serviceaccounts').length, 2);
  await b.stop();
});

test('serviceaccount: not allowed to: tried again, for it may be put right', async () => {
  let isAllowed = false;
  const b = await bench([serviceAccountController], {
    intercept: ({ verb, gvr }) => {
      if (verb === 'create' && gvr === accounts && !isAllowed) {
        throw new StatusError({ code: 403, reason: 'Forbidden', message: 'not allowed' });
      }
    },
  });
  await b.of(resources.namespaces, '').create(namespace('n'));
  await b.pass();
  assert.deepEqual(b.list(accounts), []);
  isAllowed = true;
  await b.pass(10_000);
  assert.ok(b.get(accounts, 'n/default'));
  await b.stop();
});
