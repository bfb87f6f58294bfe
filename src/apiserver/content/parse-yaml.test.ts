import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml, YamlSyntaxError } from './parse-yaml.ts';

test('yaml: values: as YAML 1.1 has them, JSON among them', async () => {
  assert.deepEqual((await parseYaml('a: yes\nb: [1, "2"]\nc: {<<: {d: 1}, e: ~}')).value, {
    a: true,
    b: [1, '2'],
    c: { d: 1, e: null },
  });
  assert.deepEqual((await parseYaml('a: 2020-01-01\nb: 1:30')).value, { a: '2020-01-01', b: '1:30' });
  assert.deepEqual((await parseYaml('{"a": {"b": 1.5}}')).value, { a: { b: 1.5 } });
  assert.deepEqual((await parseYaml('{a: b}')).value, { a: 'b' });
  assert.equal((await parseYaml('# nothing')).value ?? null, null);
});

test('yaml: a key given twice: told by its line, the last one counts', async () => {
  const { value, duplicates } = await parseYaml('data:\n  a: "1"\n  b: "2"\n  a: "3"\n');
  assert.deepEqual(value, { data: { a: '3', b: '2' } });
  assert.deepEqual(duplicates, ['line 4: key "a" already set in map']);
});

// Each took a minute or more while every error was collected.
test('yaml: hostile texts: refused at the first error', { timeout: 20_000 }, async () => {
  for (const text of ['! '.repeat(500_000), '&a '.repeat(300_000), '"a" '.repeat(300_000), '[,'.repeat(300_000)])
    await assert.rejects(parseYaml(text), YamlSyntaxError, text.slice(0, 8));
});

test('yaml: hostile texts: aliases of aliases, and depth', { timeout: 20_000 }, async () => {
  const laughs = [...'bcdefghi'].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`);
  await assert.rejects(parseYaml(`a: &a [l]\n${laughs.join('\n')}`), /alias/);
  for (const text of ['['.repeat(20_000), '- '.repeat(20_000), '? '.repeat(20_000)])
    await assert.rejects(parseYaml(text), YamlSyntaxError);
});
