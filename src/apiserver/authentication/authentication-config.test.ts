import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readAuthenticationConfig } from './authentication-config.ts';

const directory = mkdtempSync(join(tmpdir(), 'evenkeel-authentication-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n';

function read(text: string) {
  const file = join(directory, 'config.yaml');
  writeFileSync(file, text);
  return readAuthenticationConfig(file);
}

test('authentication config: anonymous: everywhere, nowhere, or to the paths that are named', async () => {
  assert.equal(await read(head), true);
  assert.equal(await read(`${head}anonymous:\n  enabled: false\n`), false);
  assert.equal(await read(`${head}anonymous:\n  enabled: true\n`), true);
  const paths = await read(`${head}anonymous:\n  enabled: true\n  conditions:\n  - path: /livez\n  - path: /readyz\n`);
  assert.deepEqual(paths, new Set(['/livez', '/readyz']));
  const json = JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration' });
  assert.equal(await read(json), true);
});

test('authentication config: what it cannot do: refused in a line', async () => {
  const refused = (text: string, why: RegExp) => assert.rejects(read(text), { name: 'OperatorError', message: why });
  await refused('kind: Pod\n', /--authentication-config is no good: it is no AuthenticationConfiguration/);
  await refused('', /it is no AuthenticationConfiguration/);
  await refused('{', /is no good/);
  await refused(`${head}jwt:\n- issuer: {}\n`, /jwt authenticators are not supported/);
  await refused(`${head}anonymous:\n  conditions:\n  - path: /x\n`, /need anonymous.enabled: true/);
  await refused(`${head}anonymous:\n  enabled: true\n  conditions:\n  - {}\n`, /needs a path/);
  await assert.rejects(readAuthenticationConfig(join(directory, 'none')), /check --authentication-config/);
});
