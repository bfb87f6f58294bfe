/** `npm test`: quick checks first, then every test under node's runner, whose closing lines say how it went. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const run = (command, args) => {
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? (signal ? 1 : 0));
};

run('biome', ['check', '--diagnostic-level=error', 'src', 'bin', 'test', 'setup']);
run('tsc', ['--noEmit']);

const files =
  process.argv.length > 2
    ? process.argv.slice(2)
    : globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root }).sort(cheapFirst);
if (process.platform !== 'linux') {
  process.stderr.write('skipped: test/system/*, which finds processes in /proc: run it on Linux\n');
  for (const file of files.filter((f) => f.startsWith(join('test', 'system')))) files.splice(files.indexOf(file), 1);
}
// Two files at a time: the whole-system tests bring up a dozen processes each.
run(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=600000', ...files]);

/** Rooms before whole systems. */
function cheapFirst(a, b) {
  const rank = (file) => (file.startsWith('test') ? 1 : 0);
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}
