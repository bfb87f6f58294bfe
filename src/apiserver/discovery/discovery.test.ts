import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScheme } from '#apis/scheme.ts';
import type { ApiRequest } from '../request.ts';
import { apiGroups, compareVersions } from './api-groups.ts';
import { createDiscovery } from './discovery.ts';

const scheme = createScheme();
const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

function get(path: string, headers: Record<string, string> = {}) {
  const handle = createDiscovery({ resources: () => scheme.resources(), revision: () => 1 }, '127.0.0.1:6443');
  return handle({ url: new URL(path, 'http://x'), headers } as unknown as ApiRequest);
}
async function json(path: string, headers?: Record<string, string>): Promise<any> {
  return JSON.parse(String((await get(path, headers))!.body));
}

test('discovery: groups: in the order of their priorities', async () => {
  const names = (await json('/apis')).groups.map((g: { name: string }) => g.name);
  assert.deepEqual(names.slice(0, 3), ['apiregistration.k8s.io', 'apps', 'events.k8s.io']);
  assert.equal(new Set(names).size, names.length);
  const autoscaling = await json('/apis/autoscaling');
  assert.equal(autoscaling.preferredVersion.version, 'v2');
});

test('discovery: resources: rows with their subresources', async () => {
  const { resources, groupVersion, apiVersion } = await json('/api/v1');
  assert.equal(groupVersion, 'v1');
  assert.equal(apiVersion, undefined);
  const pods = resources.find((r: { name: string }) => r.name === 'pods');
  assert.deepEqual(pods.shortNames, ['po']);
  const eviction = resources.find((r: { name: string }) => r.name === 'pods/eviction');
  assert.deepEqual([eviction.group, eviction.version, eviction.kind], ['policy', 'v1', 'Eviction']);
});

test('discovery: aggregated: one document, cached by its etag', async () => {
  const first = (await get('/apis', { accept: `${aggregatedType},application/json` }))!;
  assert.equal(first.headers!['content-type'], aggregatedType);
  const etag = String(first.headers!['etag']);
  assert.equal((await get('/apis', { accept: aggregatedType, 'if-none-match': etag }))!.status, 304);
  const core = await json('/api', { accept: aggregatedType });
  assert.equal(core.items[0].versions[0].version, 'v1');
  const old = await json('/apis', { accept: `${aggregatedType.replace('v2', 'v2beta1')},application/json` });
  assert.equal(old.kind, 'APIGroupList');
});

test('discovery: missing: unknown groups are not ours, unknown versions are not found', async () => {
  assert.equal(await get('/apis/nosuch.example.com'), undefined);
  await assert.rejects(get('/apis/apps/v9'), /could not find the requested resource/);
  await assert.rejects(get('/apis/apps', { accept: 'text/html' }), /only the following media types/);
});

test('discovery: order: of versions, and of groups without priority', () => {
  assert.deepEqual(['v1alpha1', 'v2', 'v1', 'v1beta2', 'v1beta10', 'odd'].sort(compareVersions), [
    'v2',
    'v1',
    'v1beta10',
    'v1beta2',
    'v1alpha1',
    'odd',
  ]);
  const pod = scheme.resource('', 'v1', 'pods')!;
  const { groups } = apiGroups([
    { ...pod, group: 'b.example.com' },
    { ...pod, group: 'a.example.com' },
    { ...pod, group: 'apps' },
  ]);
  assert.deepEqual(
    groups.map((g) => g.name),
    ['apps', 'a.example.com', 'b.example.com'],
  );
});
