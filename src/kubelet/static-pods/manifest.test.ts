import assert from 'node:assert/strict';
import { test } from 'node:test';
import { annotations } from '../pod.ts';
import { isManifestName, parseManifest } from './manifest.ts';

const manifest = (spec: string, name = 'web') =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: kube-system}\nspec: ${spec}\n`;
const ok = manifest('{containers: [{name: a, command: [sleep, "1"]}]}');
const parse = (text: string) => parseManifest(text, '/m/web.yaml', 'M1');

test('kubelet: manifest: becomes the static pod of this node', () => {
  const pod = parse(ok);
  assert.equal(pod.metadata.name, 'web-m1');
  assert.equal(pod.metadata.namespace, 'kube-system');
  assert.equal(pod.spec.nodeName, 'M1');
  assert.equal(pod.metadata.annotations?.[annotations.configHash], pod.metadata.uid);
  assert.equal(pod.metadata.annotations?.[annotations.configSource], 'file');
  assert.deepEqual(pod.spec.tolerations, [{ operator: 'Exists', effect: 'NoExecute' }]);
});

test('kubelet: manifest: json is yaml', () => {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'j' }, spec: { containers: [{ name: 'a' }] } };
  assert.equal(parse(JSON.stringify(pod)).metadata.name, 'j-m1');
  assert.equal(parse(JSON.stringify(pod)).metadata.namespace, 'default');
});

test('kubelet: manifest: the uid is that of the content, the file and the node', () => {
  assert.equal(parse(ok).metadata.uid, parse(`# a comment\n${ok}`).metadata.uid);
  assert.notEqual(parse(ok).metadata.uid, parse(ok.replace('"1"', '"2"')).metadata.uid);
  assert.notEqual(parse(ok).metadata.uid, parseManifest(ok, '/m/other.yaml', 'M1').metadata.uid);
  assert.notEqual(parse(ok).metadata.uid, parseManifest(ok, '/m/web.yaml', 'M2').metadata.uid);
});

const container = (fields: string) => manifest(`{containers: [{name: a, command: [x], ${fields}}]}`);
for (const [what, text, reason] of [
  ['empty', '', /it is empty/],
  ['broken yaml', 'a: [', /Flow sequence/],
  ['several documents', `${ok}---\n${ok}`, /several documents/],
  ['a list', '- a', /not an object/],
  ['another kind', ok.replace('kind: Pod', 'kind: Deployment'), /it is v1 Deployment, not a v1 Pod/],
  ['no name', ok.replace('name: web', 'nam: web'), /metadata\.name/],
  ['a bad name', manifest('{containers: [{name: a}]}', 'Web_1'), /metadata\.name/],
  ['no spec', manifest('null'), /spec is missing/],
  ['no containers', manifest('{containers: []}'), /spec\.containers is empty/],
  ['two of a name', manifest('{containers: [{name: a}, {name: a}]}'), /two containers are named a/],
  ['a command that is a string', manifest('{containers: [{name: a, command: sleep 1}]}'), /command is no list/],
  ['an unquoted number in env', container('env: [{name: N, value: 1}]'), /quote numbers/],
  [
    'a secret in env',
    container('env: [{name: N, valueFrom: {secretKeyRef: {name: s, key: k}}}]'),
    /secretKeyRef is not/,
  ],
  ['an unknown field', container('env: [{name: N, valueFrom: {fieldRef: {fieldPath: spec.x}}}]'), /"spec\.x" is not/],
  ['a probe of nothing', container('livenessProbe: {}'), /exactly one of/],
  ['a probe of no port', container('livenessProbe: {tcpSocket: {port: web}}'), /port "web" is no port number/],
  ['a bad restart policy', manifest('{restartPolicy: Sometimes, containers: [{name: a}]}'), /"Sometimes" is none of/],
  ['an alias bomb', `a: &a [x,x]\nb: &b [*a,*a]\n${ok}`.replace('spec:', `c: [${'*b,'.repeat(200)}]\nspec:`), /alias/i],
] as const) {
  test(`kubelet: manifest: refused: ${what}`, () => {
    assert.throws(() => parse(text), { name: /OperatorError|ReferenceError/, message: reason });
  });
}

test('kubelet: manifest: which files are', () => {
  const names = ['a.yaml', 'b.yml', 'c.json', 'd.yaml~', '.e.yaml', 'f.yaml.bak', 'g', '.yaml', '#h.yaml#'];
  assert.deepEqual(names.filter(isManifestName), ['a.yaml', 'b.yml', 'c.json']);
});
