import assert from 'node:assert/strict';
import { test } from 'node:test';
import { percentErrors, scaledIntOrPercent } from './int-or-string.ts';
import { formatAge, formatMicroTime, formatTime, normalizeMicroTime, normalizeTime, parseTime } from './time.ts';

test('time: formatting: whole seconds, or six digits', () => {
  const ms = Date.UTC(2026, 0, 31, 9, 8, 7, 123);
  assert.equal(formatTime(ms), '2026-01-31T09:08:07Z');
  assert.equal(formatMicroTime(ms), '2026-01-31T09:08:07.123000Z');
  assert.equal(parseTime('2026-01-31T10:08:07.123+01:00'), ms);
  assert.equal(parseTime('2026-02-30T00:00:00Z'), undefined);
  assert.equal(parseTime('2026-01-31'), undefined);
});

test('time: normalizing: to UTC, without fraction; MicroTime keeps all digits', () => {
  assert.equal(normalizeTime('2020-01-01T00:00:00Z'), '2020-01-01T00:00:00Z');
  assert.equal(normalizeTime('2020-01-01T01:30:00.9+01:30'), '2020-01-01T00:00:00Z');
  assert.equal(normalizeMicroTime('2020-01-01T01:00:00.123456+01:00'), '2020-01-01T00:00:00.123456Z');
});

test("time: bad texts: in the words of Go's time package", () => {
  const layout = '"2006-01-02T15:04:05Z07:00"';
  const cases: [text: string, message: string][] = [
    ['yesterday', `parsing time "yesterday" as ${layout}: cannot parse "yesterday" as "2006"`],
    ['', `parsing time "" as ${layout}: cannot parse "" as "2006"`],
    ['2020-01-01', `parsing time "2020-01-01" as ${layout}: cannot parse "" as "T"`],
    ['2020-13-01T00:00:00Z', 'parsing time "2020-13-01T00:00:00Z": month out of range'],
    ['2020-02-30T00:00:00Z', 'parsing time "2020-02-30T00:00:00Z": day out of range'],
    ['2020-01-01T00:00:00Zx', 'parsing time "2020-01-01T00:00:00Zx": extra text: "x"'],
  ];
  for (const [text, message] of cases) assert.throws(() => normalizeTime(text), { message }, text);
  assert.throws(() => normalizeMicroTime('2020-01-01T00:00:00Z'), {
    message: 'parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
  });
});

test('age: steps: one or two units, as kubectl shows it', () => {
  const [s, m, h, d] = [1000, 60_000, 3_600_000, 86_400_000];
  const cases: [ms: number, age: string][] = [
    [-3 * s, '<invalid>'],
    [-1 * s, '0s'],
    [5 * s, '5s'],
    [119 * s, '119s'],
    [120 * s, '2m'],
    [3 * m + 12 * s, '3m12s'],
    [10 * m + 12 * s, '10m'],
    [3 * h, '3h'],
    [3 * h + 5 * m, '3h5m'],
    [8 * h + 5 * m, '8h'],
    [47 * h, '47h'],
    [2 * d, '2d'],
    [4 * d + 5 * h, '4d5h'],
    [8 * d + 5 * h, '8d'],
    [729 * d, '729d'],
    [2 * 365 * d + 3 * d, '2y3d'],
    [9 * 365 * d, '9y'],
  ];
  for (const [ms, age] of cases) assert.equal(formatAge(ms), age);
});

test('int or string: percentages: of a total, rounded as asked', () => {
  assert.equal(scaledIntOrPercent(3, 10, true), 3);
  assert.equal(scaledIntOrPercent('25%', 10, true), 3);
  assert.equal(scaledIntOrPercent('25%', 10, false), 2);
  assert.equal(scaledIntOrPercent('25', 10, false), undefined);
  assert.deepEqual(percentErrors('25%'), []);
  assert.match(percentErrors('x%')[0]!, /^a valid percent string must be a numeric string/);
});
