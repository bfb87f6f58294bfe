/** The command line as a whole: what every command's --help says, what shells complete, how it refuses. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
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
  const lines = [...commands.map((c) => [c]), ['store', 'snapshot', 'save'], ['store', 'snapshot', 'status']];
  lines.push(['store', 'snapshot', 'restore'], ['store', 'migrate']);
  const pages = await Promise.all(lines.map((line) => evenkeel(...line, '--help')));
  for (const [i, text] of [overview, ...pages].entries()) {
    const command = lines[i - 1]?.join(' ') ?? 'evenkeel';
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
  assert.deepEqual(complete('store', 'snapshot', 'res'), ['restore']);
  assert.deepEqual(complete('store', 'snapshot', 'restore', '--bump'), ['--bump-revision']);
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

test('command line: bad input: one line that names the thing and the remedy, and a status of its own', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'evenkeel-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = (name: string) => join(directory, name);
  writeFileSync(path('broken.yaml'), 'a: [');
  const inUse = createServer().listen(0, '127.0.0.1');
  t.after(() => inUse.close());
  await once(inUse, 'listening');
  const { port } = inUse.address() as AddressInfo;
  const lb = ['lb', '--backend=a=127.0.0.1:1', '--listen=127.0.0.1:0'];
  const kubelet = ['kubelet', `--root-dir=${path('kubelet')}`, '--healthz-port=0'];
  const cases: [args: string[], text: RegExp, status: number][] = [
    [['lb'], /no backend: give at least one --backend NAME=HOST:PORT/, 2],
    [[...lb, '--backend=a=127.0.0.1:2'], /two backends are called "a"/, 2],
    [[...lb, '--rise=0'], /invalid value "0" for --rise: give 1 or more/, 2],
    [[...lb, '--health-interval=0s'], /--health-interval: give 0.01s or more/, 2],
    [[...lb, 'extra'], /unexpected argument "extra"/, 2],
    [['lb', '--backend=a=127.0.0.1:1', `--listen=127.0.0.1:${port}`], /is in use: .* with --listen/, 1],
    [[...lb, `--admin-listen=127.0.0.1:${port}`], /is in use: .* with --admin-listen/, 1],
    [[...kubelet, '--healthz-port=99999'], /"99999" for --healthz-port: give 0 to 65535/, 2],
    [[...kubelet, `--healthz-port=${port}`], /is in use: choose another with --healthz-port/, 1],
    [[...kubelet, '--log-level=loud'], /"loud" for --log-level: give debug, /, 2],
    [[...kubelet, '--hostname-override=Not a name!'], /is no name of a node: .* with --hostname-override/, 2],
    [[...kubelet, '--restart-backoff-initial=-5s'], /--restart-backoff-initial: give 0.001s or more/, 2],
    [[...kubelet, `--pod-manifest-path=${path('broken.yaml')}`], /is no directory: /, 2],
    [[...kubelet, '--simulated-nodes=3'], /--simulated-nodes needs --kubeconfig/, 2],
    [[...kubelet, `--kubeconfig=${path('none')}`], /kubeconfig .*none cannot be read .*: check --kubeconfig/, 1],
    ...['scheduler', 'controller-manager'].flatMap((component): [string[], RegExp, number][] => [
      [[component], /no API server: give --kubeconfig FILE/, 2],
      [[component, `--kubeconfig=${path('broken.yaml')}`], /is not valid YAML/, 1],
      [[component, '--master=https://127.0.0.1:1', '--secure-port=99999'], /--secure-port: give 0 to 65535/, 2],
    ]),
    [['etcd', '--data-dir=/dev/null/x'], /ENOTDIR: .* choose another directory with --data-dir/, 1],
    [['up', '--data-dir=/dev/null/x'], /ENOTDIR: .*: mend that disk or path, or choose another/, 1],
    [['up', '--data-dir='], /--data-dir is empty: give a directory/, 2],
    [['down', 'now'], /unexpected argument "now"/, 2],
    [['render', 'nagios'], /give what to render: prometheus/, 2],
    [['render', 'prometheus', '--window=10s'], /--window must be four times --scrape-interval or more/, 2],
    [['render', 'prometheus', `--data-dir=${path('none')}`], /holds no control plane: .* evenkeel up/, 1],
    [['alerts', `--data-dir=${path('none')}`], /there is no control plane in .*: start one with evenkeel up/, 2],
    [['alerts', `--kubeconfig=${path('none')}`], /kubeconfig .*none cannot be read .*: check --kubeconfig/, 2],
    [['alerts', '--error-percent=lots'], /--error-percent takes a number between 0 and 100, not "lots"/, 2],
    [['alerts', '--window=1s'], /--window: give 2s to 3600s/, 2],
  ];
  await Promise.all(
    cases.map(async ([args, text, status]) => {
      const { code, stderr } = await run(process.execPath, [entry, ...args], { timeout: 30_000 }).catch((e) => e);
      assert.equal(code, status, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, text);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    }),
  );
});
