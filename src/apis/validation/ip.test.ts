import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr, parseIp, routableIp, within } from './ip.ts';

test('ip: addresses: canonical and short forms of both families', () => {
  for (const good of ['1.2.3.4', '0.0.0.0', '::', '::1', '2001:db8::ffff', '1:2:3:4:5:6:7:8', '::ffff:1.2.3.4'])
    assert.ok(parseIp(good), good);
  for (const bad of [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '::g',
    '1:2:3:4:5:6:7:8:9',
  ])
    assert.equal(parseIp(bad), undefined, bad);
  assert.equal(parseIp('1::8')!.bits, parseIp('1:0:0:0:0:0:0:8')!.bits);
});

test('ip: ranges: one within another, never across families', () => {
  const range = (text: string) => parseCidr(text)!;
  assert.ok(within(range('10.1.2.0/24'), range('10.1.0.0/16')));
  assert.ok(!within(range('10.2.0.0/24'), range('10.1.0.0/16')));
  assert.ok(!within(range('10.0.0.0/8'), range('10.1.0.0/16')));
  assert.ok(within(parseIp('fe80::5')!, range('fe80::/10')));
  assert.ok(!within(parseIp('10.1.0.1')!, range('::/0')));
  for (const bad of ['10.1.0.0', '10.1.0.0/33', '10.1.0.0/x', '10.1.0.0/8/8', '::/129'])
    assert.equal(parseCidr(bad), undefined, bad);
});

test('ip: routable: not loopback, link-local or unspecified', () => {
  const messages = (ip: string) => routableIp('f', ip).map((error) => error.message);
  assert.deepEqual(messages('10.1.1.1'), []);
  assert.deepEqual(messages('127.0.0.1'), [
    'Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ]);
  assert.equal(messages('::').length, 1);
  assert.equal(messages('169.254.1.1').length, 1);
});
