import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FlagSpec, parseDuration, parseFlags } from './flags.ts';

const specs: FlagSpec[] = [
  { name: 'port', kind: 'int', description: 'port', default: '6443', shorthand: 'p' },
  { name: 'leader-elect', kind: 'bool', description: 'elect', default: 'true' },
  { name: 'retry', kind: 'duration', description: 'retry', default: '2s' },
  { name: 'etcd-servers', kind: 'strings', description: 'servers' },
  { name: 'watch-cache-sizes', kind: 'map', description: 'sizes' },
  { name: 'cloud-provider', kind: 'string', description: 'none here', inert: true },
];

test('flags: values: every way of writing one', () => {
  const f = parseFlags(specs, [
    '--port=1',
    '-p',
    '2',
    '--leader-elect=false',
    '--etcd-servers',
    'a,b',
    '--etcd-servers=c',
    'pos',
    '--',
    '--x',
  ]);
  assert.equal(f.int('port'), 2);
  assert.equal(f.bool('leader-elect'), false);
  assert.deepEqual(f.strings('etcd-servers'), ['a', 'b', 'c']);
  assert.deepEqual(f.positional, ['pos', '--x']);
  assert.equal(f.durationMs('retry'), 2000);
  assert.equal(f.has('retry'), false);
});

test('flags: a switch: does not swallow the next argument', () => {
  const f = parseFlags(specs, ['--leader-elect', 'up']);
  assert.deepEqual(f.positional, ['up']);
});

test('flags: refused: with the remedy in the text', () => {
  assert.throws(
    () => parseFlags(specs, ['--leader-elct']),
    /unknown flag: --leader-elct; did you mean --leader-elect\?/,
  );
  assert.throws(() => parseFlags(specs, ['--zzz']), /unknown flag: --zzz; see --help/);
  assert.throws(() => parseFlags(specs, ['--port']), /flag needs a value: --port/);
  assert.throws(() => parseFlags(specs, ['--port=x']), /invalid value "x" for --port: give a whole number/);
  assert.throws(() => parseFlags(specs, ['--retry=15']), /give a duration/);
  assert.throws(() => parseFlags(specs, ['--watch-cache-sizes=secrets']), /key=value/);
});

test('flags: inert: accepted with one warning', () => {
  const f = parseFlags(specs, ['--cloud-provider=aws', '--cloud-provider=gce']);
  assert.deepEqual(f.warnings, ['--cloud-provider has no effect in evenkeel']);
});

test("flags: durations: Go's grammar", () => {
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration('500ms'), 500);
  assert.equal(parseDuration('1.5s'), 1500);
  assert.equal(parseDuration('0'), 0);
  assert.equal(parseDuration('15'), undefined);
  assert.equal(parseDuration(''), undefined);
});

test('flags: bounds: a value outside is refused, with the bounds', () => {
  const bounded: FlagSpec[] = [
    { name: 'port', kind: 'int', description: '', min: 0, max: 65535 },
    { name: 'interval', kind: 'duration', description: '', min: 1 },
  ];
  assert.throws(() => parseFlags(bounded, ['--port=99999']), {
    name: 'UsageError',
    message: 'invalid value "99999" for --port: give 0 to 65535',
  });
  assert.throws(() => parseFlags(bounded, ['--interval=-1s']), /give 0\.001s or more/);
  assert.equal(parseFlags(bounded, ['--port=65535', '--interval=1ms']).int('port'), 65535);
});
