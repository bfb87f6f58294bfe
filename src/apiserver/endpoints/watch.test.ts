import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { test } from 'node:test';
import { eventually } from '#storage/testing/fixtures.ts';
import { createRequestMetrics } from '../metrics.ts';
import { configMap, startedFor } from '../testing/fixtures.ts';

const maps = '/api/v1/namespaces/default/configmaps';

// The newest object comes first in the order of keys: once it was sent, its revision looked like a position.
test('watch: closed while its initial state is being sent: no bookmark for what the client never got', async (context) => {
  const metrics = createRequestMetrics();
  const server = await startedFor(context, { metrics });
  const names = Array.from({ length: 60 }, (_, i) => `m${String(99 - i)}`);
  for (const name of names) await server.h2('POST', maps, { body: configMap(name, { k: 'x'.repeat(50_000) }) });
  const session = http2.connect(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false });
  context.after(() => session.destroy());
  const path = `${maps}?watch=1&allowWatchBookmarks=true&resourceVersion=0&timeoutSeconds=1`;
  const stream = session.request({ ':path': path, authorization: 'Bearer admin' });
  // It does not read: what the server has sent waits in windows and buffers until the watch is over.
  await eventually(() => metrics.longRunning === 1, 'the watch');
  await eventually(() => metrics.longRunning === 0, 'its end');
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  const types = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).type as string);
  assert.ok(types.length > 0 && types.length < names.length, `${types.length} events`);
  assert.ok(!types.includes('BOOKMARK'), types.join(' '));
});
