import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  roundQuantityUp,
  subtractQuantities,
} from './quantity.ts';

test('quantity: canonical form: the largest suffix without a fraction', () => {
  const cases: [text: string, canonical: string][] = [
    ['0', '0'],
    ['000', '0'],
    ['1000m', '1'],
    ['0.5', '500m'],
    ['1500m', '1500m'],
    ['1.5', '1500m'],
    ['1000', '1k'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['1000Mi', '1000Mi'],
    ['0.5Mi', '512Ki'],
    ['512', '512'],
    ['0.1Gi', '107374182400m'],
    ['12e6', '12e6'],
    ['1200e4', '12e6'],
    ['1e3', '1e3'],
    ['0.1n', '1n'],
    ['-1Gi', '-1Gi'],
    ['-0.5', '-500m'],
    ['1000E', '1e21'],
    ['18446744073709551616', '18446744073709551616'],
    ['8Ei', '9223372036854775807'],
    ['+5', '+5'],
    ['1.500', '1.500'],
  ];
  for (const [text, canonical] of cases) assert.equal(canonicalQuantity(text), canonical, text);
});

test("quantity: bad texts: in the decoder's words", () => {
  const regex = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  for (const text of ['', 'lots', '1.2.3', '1 Gi', '1Kib', `1${'0'.repeat(200)}`]) {
    assert.throws(() => parseQuantity(text), { message: regex }, text);
  }
  for (const text of ['1K', '1mm', '1e', '1e999999999']) {
    assert.throws(() => parseQuantity(text), { message: "unable to parse quantity's suffix" }, text);
  }
});

const suffix = fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'e-2', 'E6');
const quantityText = fc
  .tuple(fc.constantFrom('', '-'), fc.nat(9999), fc.option(fc.nat(999), { nil: undefined }), suffix)
  .map(([sign, whole, fraction, s]) => `${sign}${whole}${fraction === undefined ? '' : `.${fraction}`}${s}`);

test('quantity: formatting: parses back to the same amount', () => {
  fc.assert(
    fc.property(quantityText, (text) => {
      const parsed = parseQuantity(text);
      const formatted = formatQuantity(parsed);
      assert.equal(compareQuantities(parseQuantity(formatted), parsed), 0);
      assert.equal(compareQuantities(parseQuantity(canonicalQuantity(text)), parsed), 0);
      // A binary amount that is no multiple of 1024 has no suffix, and is read back as decimal: 7968.75Ki, 8160000, 8160k.
      if (/[^0-9]$/.test(formatted)) assert.equal(formatQuantity(parseQuantity(formatted)), formatted);
    }),
    { numRuns: 1000 },
  );
});

test('quantity: arithmetic: agrees with a rational model in nanos', () => {
  const factors: Record<string, [bigint, bigint]> = {
    '': [1n, 1n],
    n: [1n, 10n ** 9n],
    u: [1n, 10n ** 6n],
    m: [1n, 1000n],
    k: [1000n, 1n],
    M: [10n ** 6n, 1n],
    G: [10n ** 9n, 1n],
    Ki: [2n ** 10n, 1n],
    Mi: [2n ** 20n, 1n],
    Gi: [2n ** 30n, 1n],
    Ti: [2n ** 40n, 1n],
    e3: [1000n, 1n],
    'e-2': [1n, 100n],
    E6: [10n ** 6n, 1n],
  };
  const model = (text: string): bigint => {
    const [, sign, whole, , fraction = '', s] = /^(-?)(\d+)(\.(\d+))?(.*)$/.exec(text)!;
    const [up, down] = factors[s!]!;
    const top = BigInt(whole! + fraction) * up * 10n ** 9n;
    const bottom = 10n ** BigInt(fraction.length) * down;
    const nanos = (top + bottom - 1n) / bottom;
    return sign === '-' ? -nanos : nanos;
  };
  fc.assert(
    fc.property(quantityText, quantityText, (a, b) => {
      const [x, y] = [parseQuantity(a), parseQuantity(b)];
      assert.equal(x.nanos, model(a), a);
      assert.equal(addQuantities(x, y).nanos, model(a) + model(b));
      assert.equal(subtractQuantities(x, y).nanos, model(a) - model(b));
      assert.equal(compareQuantities(x, y), model(a) < model(b) ? -1 : model(a) > model(b) ? 1 : 0);
    }),
    { numRuns: 1000 },
  );
});

test('quantity: plain numbers: the fast way agrees with the exact one', () => {
  const ceil = (nanos: bigint, step: bigint) =>
    Number(nanos / step + (nanos % step === 0n ? 0n : nanos < 0n ? -1n : 1n));
  fc.assert(
    fc.property(quantityText, (text) => {
      const { nanos } = parseQuantity(text);
      assert.equal(quantityValue(text), ceil(nanos, 10n ** 9n), text);
      assert.equal(quantityMilliValue(text), ceil(nanos, 10n ** 6n), text);
    }),
    { numRuns: 1000 },
  );
  assert.equal(quantityMilliValue('100m'), 100);
  assert.equal(quantityMilliValue(2), 2000);
  assert.equal(quantityValue('1Gi'), 1073741824);
  assert.equal(quantityValue(undefined), 0);
});

test('quantity: rounding: up to the scale asked for', () => {
  assert.equal(formatQuantity(roundQuantityUp(parseQuantity('1500u'), -3)), '2m');
  assert.equal(formatQuantity(roundQuantityUp(parseQuantity('2m'), -3)), '2m');
});

test('quantity: format of a sum: zero takes the format of the other', () => {
  assert.equal(formatQuantity(addQuantities(parseQuantity('0'), parseQuantity('2Gi'))), '2Gi');
  assert.equal(formatQuantity(addQuantities(parseQuantity('1Gi'), parseQuantity('1G'))), '2073741824');
});
