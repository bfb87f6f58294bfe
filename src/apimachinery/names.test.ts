import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateName, labelValueErrors, nameErrors, qualifiedNameErrors } from './names.ts';

test('names: DNS names: refused in upstream words', () => {
  assert.deepEqual(nameErrors('dns-label', 'web-1'), []);
  assert.deepEqual(nameErrors('dns-label', 'a.b'), ['must not contain dots']);
  assert.deepEqual(nameErrors('dns-label', '-x'), [
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ]);
  assert.deepEqual(nameErrors('dns-subdomain', 'Bad_Node'), [
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ]);
  assert.deepEqual(nameErrors('dns-subdomain', 'a'.repeat(254)), ['must be no more than 253 characters']);
  assert.deepEqual(nameErrors('dns-1035-label', 'V1!'), [
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  ]);
});

test('names: path segments: what a URL cannot hold', () => {
  assert.deepEqual(nameErrors('rbac', 'system:node'), []);
  assert.deepEqual(nameErrors('path-segment', '..'), ["may not be '..'"]);
  assert.deepEqual(nameErrors('path-segment', 'a/b%'), ["may not contain '/'", "may not contain '%'"]);
});

test('names: generateName: may end in a dash', () => {
  assert.deepEqual(nameErrors('dns-subdomain', 'web-', true), []);
  assert.notDeepEqual(nameErrors('dns-subdomain', 'web-'), []);
});

test('names: qualified names: each part has its own complaint', () => {
  const part =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
  assert.deepEqual(qualifiedNameErrors('example.com/My.Name_1'), []);
  assert.deepEqual(qualifiedNameErrors('bad!'), [part]);
  assert.deepEqual(qualifiedNameErrors('/a'), ['prefix part must be non-empty']);
  assert.deepEqual(qualifiedNameErrors(''), ['name part must be non-empty', part]);
  assert.match(qualifiedNameErrors('a/b/c')[0]!, /^a qualified name must consist of .* with an optional DNS subdomain/);
  assert.match(qualifiedNameErrors('A_/b')[0]!, /^prefix part a lowercase RFC 1123 subdomain/);
});

test('names: label values: may be empty, have 63 bytes at most', () => {
  assert.deepEqual(labelValueErrors(''), []);
  assert.deepEqual(labelValueErrors('b'.repeat(64)), ['must be no more than 63 bytes']);
  assert.match(labelValueErrors('not ok!')[0]!, /^a valid label must be an empty string or consist of/);
});

test('names: generated names: base cut to leave room, suffix without vowels', () => {
  const name = generateName('x'.repeat(80), () => 0.999);
  assert.equal(name.length, 63);
  assert.match(
    generateName('web-', () => 0.3),
    /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/,
  );
});
