import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLongRunning, parseRequestInfo } from './request-info.ts';

function parse(method: string, target: string) {
  const url = new URL(target, 'http://x');
  return parseRequestInfo(method, url);
}

/** method, path → verb, group/version, namespace, resource, subresource, name */
const table: [string, string, [string, string, string, string, string, string]][] = [
  ['GET', '/api/v1/pods', ['list', '/v1', '', 'pods', '', '']],
  ['GET', '/api/v1/pods/', ['list', '/v1', '', 'pods', '', '']],
  ['HEAD', '/api/v1/namespaces/a/pods/b', ['get', '/v1', 'a', 'pods', '', 'b']],
  ['GET', '/api/v1/namespaces/a/pods/b/log', ['get', '/v1', 'a', 'pods', 'log', 'b']],
  ['POST', '/api/v1/namespaces/a/pods', ['create', '/v1', 'a', 'pods', '', '']],
  ['PUT', '/apis/apps/v1/namespaces/a/deployments/d/status', ['update', 'apps/v1', 'a', 'deployments', 'status', 'd']],
  ['PATCH', '/apis/apps/v1/namespaces/a/deployments/d', ['patch', 'apps/v1', 'a', 'deployments', '', 'd']],
  ['DELETE', '/api/v1/namespaces/a/pods/b', ['delete', '/v1', 'a', 'pods', '', 'b']],
  ['DELETE', '/api/v1/namespaces/a/pods', ['deletecollection', '/v1', 'a', 'pods', '', '']],
  ['GET', '/api/v1/pods?watch=1', ['watch', '/v1', '', 'pods', '', '']],
  ['GET', '/api/v1/pods?watch', ['watch', '/v1', '', 'pods', '', '']],
  ['GET', '/api/v1/pods?watch=perhaps', ['watch', '/v1', '', 'pods', '', '']],
  ['GET', '/api/v1/pods?watch=0', ['list', '/v1', '', 'pods', '', '']],
  ['GET', '/api/v1/pods?watch=False', ['list', '/v1', '', 'pods', '', '']],
  ['GET', '/api/v1/namespaces/a/pods/b?watch=1', ['get', '/v1', 'a', 'pods', '', 'b']],
  ['GET', '/api/v1/watch/namespaces/a/pods', ['watch', '/v1', 'a', 'pods', '', '']],
  ['GET', '/api/v1/watch/namespaces/a/pods/b', ['watch', '/v1', 'a', 'pods', '', 'b']],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Db', ['list', '/v1', '', 'pods', '', 'b']],
  ['GET', '/api/v1/pods?watch=1&fieldSelector=metadata.name=b', ['watch', '/v1', '', 'pods', '', 'b']],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name!=b', ['list', '/v1', '', 'pods', '', '']],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name=a/b', ['list', '/v1', '', 'pods', '', '']],
  ['GET', '/api/v1/namespaces', ['list', '/v1', '', 'namespaces', '', '']],
  ['GET', '/api/v1/namespaces/a', ['get', '/v1', 'a', 'namespaces', '', 'a']],
  ['PUT', '/api/v1/namespaces/a/finalize', ['update', '/v1', 'a', 'namespaces', 'finalize', 'a']],
  ['PUT', '/api/v1/namespaces/a/status', ['update', '/v1', 'a', 'namespaces', 'status', 'a']],
  ['GET', '/api/v1/namespaces/a/services/s/proxy/x/y', ['get', '/v1', 'a', 'services', 'proxy', 's']],
  [
    'GET',
    '/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode',
    ['get', 'rbac.authorization.k8s.io/v1', '', 'clusterroles', '', 'system:node'],
  ],
  ['GET', '/api/v1//namespaces/a', ['get', '/v1', '', '', 'a', 'namespaces']],
  ['PROPFIND', '/api/v1/pods', ['', '/v1', '', 'pods', '', '']],
];

for (const [method, path, expected] of table) {
  test(`request info: resources: ${method} ${path}`, () => {
    const info = parse(method, path);
    const { verb, group, version, namespace, resource, subresource, name } = info;
    assert.ok(info.isResourceRequest);
    assert.deepEqual([verb, `${group}/${version}`, namespace, resource, subresource, name], expected);
  });
}

test('request info: paths that are no resources: the method in lower case', () => {
  for (const path of ['/', '/healthz', '/api', '/api/v1', '/apis', '/apis/apps', '/apis/apps/v1', '/apisx/a/b/c']) {
    const info = parse('GET', path);
    assert.equal(info.isResourceRequest, false, path);
    assert.deepEqual([info.verb, info.path], ['get', path]);
  }
});

test('request info: what follows a subresource: kept in parts', () => {
  assert.deepEqual(parse('GET', '/api/v1/namespaces/a/services/s/proxy/x/y').parts, ['x', 'y']);
});

test('request info: a bad percent code: taken as it stands', () => {
  assert.equal(parse('GET', '/api/v1/pods/%zz').name, '%zz');
});

test('request info: long-running: watches and streams only', () => {
  assert.equal(isLongRunning(parse('GET', '/api/v1/pods?watch=1')), true);
  assert.equal(isLongRunning(parse('GET', '/api/v1/namespaces/a/pods/b/exec')), true);
  assert.equal(isLongRunning(parse('GET', '/api/v1/pods')), false);
  assert.equal(isLongRunning(parse('GET', '/healthz')), false);
});
