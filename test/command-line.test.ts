/** The command line as a whole: what every command's --help says, and what shells complete. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const entry = join(import.meta.dirname, '..', 'bin', 'evenkeel.ts');
const run = promisify(execFile);
const evenkeel = async (...args: string[]) => (await run(process.execPath, [entry, ...args])).stdout;

const overview = await evenkeel('--help');
const commands = [...overview.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map((m) => m[1]!);

test('command line: --help: each command has examples, no line over 100 columns, no control characters', async () => {
  assert.ok(commands.length >= 10, overview);
  const pages = await Promise.all(commands.map((c) => evenkeel(c, '--help')));
  for (const [i, text] of [overview, ...pages].entries()) {
    const command = commands[i - 1] ?? 'evenkeel';
    assert.match(text, /^Examples:\n {2}\S/m, command);
    const long = text.split('\n').filter((line) => line.length > 100);
    assert.deepEqual(long, [], command);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f]/, command);
  }
});

test('command line: completion: bash offers commands, flags, and leaves values to files', async () => {
  const script = await evenkeel('completion', 'bash');
  const complete = (...words: string[]) => {
    const list = words.map((w) => `'${w}'`).join(' ');
    const program = `${script}\nCOMP_WORDS=(evenkeel ${list}); COMP_CWORD=${words.length}; _evenkeel; echo "\${COMPREPLY[*]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', program], { encoding: 'utf8' });
    assert.equal(stderr, '');
    return stdout.trim().split(' ');
  };
  assert.deepEqual(complete('').sort(), [...commands].sort());
  assert.deepEqual(complete('sch'), ['scheduler']);
  assert.deepEqual(complete('up', '--mas'), ['--masters']);
  assert.deepEqual(complete('up', '--data-dir', ''), ['']);
  assert.deepEqual(complete('completion', ''), ['bash', 'zsh', 'fish', '--help']);
  assert.deepEqual(complete('apiserver', '--etcd-serv'), ['--etcd-servers']);
  assert.deepEqual(complete('apiserver', '--cloud-prov'), [''], 'without effect: not offered');
});

test('command line: completion: zsh and fish know every command and flag', async () => {
  const [zsh, fish] = await Promise.all([evenkeel('completion', 'zsh'), evenkeel('completion', 'fish')]);
  assert.match(zsh, /^#compdef evenkeel\n/);
  for (const command of commands) {
    assert.match(zsh, new RegExp(`^ {4}${command}\\) _arguments`, 'm'));
    assert.match(fish, new RegExp(`-n __fish_use_subcommand -a ${command} -d '`));
  }
  assert.match(zsh, /'--masters=\[.*\\\[kept, or 3\\\]\]:int:_files'/);
  assert.match(fish, /__fish_seen_subcommand_from up' -l output -s o -r -F -d 'text or json'/);
  for (const [shell, script] of [
    ['zsh', zsh],
    ['fish', fish],
  ] as const) {
    const { status, stderr, error } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
    if (!error) assert.equal(status, 0, `${shell}: ${stderr}`);
  }
});

test('command line: completion: an unknown shell is refused', async () => {
  await assert.rejects(evenkeel('completion', 'tcsh'), /give one shell: bash, zsh, fish/);
});
