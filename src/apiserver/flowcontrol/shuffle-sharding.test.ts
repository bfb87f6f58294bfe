import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dealHand, handEntropyBits, hashFlow, isDealable } from './shuffle-sharding.ts';

test('shuffle sharding: a hand: different queues, all of the deck', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 512 }),
      fc.integer({ min: 1, max: 8 }),
      fc.maxSafeNat(),
      (deck, wanted, hash) => {
        const size = Math.min(deck, wanted);
        const hand: number[] = [];
        dealHand(hash, deck, size, hand);
        assert.equal(new Set(hand).size, size);
        for (const card of hand) assert.ok(Number.isInteger(card) && card >= 0 && card < deck);
      },
    ),
  );
});

test('shuffle sharding: a hand: every combination is dealt equally often', () => {
  const counts = new Map<string, number>();
  const combinations = 5 * 4 * 3;
  for (let hash = 0; hash < combinations * 10; hash++) {
    const hand: number[] = [];
    dealHand(hash, 5, 3, hand);
    counts.set(hand.join(), (counts.get(hand.join()) ?? 0) + 1);
  }
  assert.equal(counts.size, 10);
  assert.deepEqual([...new Set(counts.values())], [60]);
});

test('shuffle sharding: hashes: flows of many users spread over the queues', () => {
  const used = new Array<number>(128).fill(0);
  const hand: number[] = [];
  for (let i = 0; i < 2_000; i++) {
    dealHand(hashFlow('service-accounts', `system:serviceaccount:ns-${i}:default`), 128, 6, hand);
    for (const card of hand) used[card]!++;
  }
  const expected = (2_000 * 6) / 128;
  for (const count of used) assert.ok(count > expected / 2 && count < expected * 2, `a queue was dealt ${count} times`);
});

test('shuffle sharding: hashes: schema and distinguisher do not run together', () => {
  assert.notEqual(hashFlow('ab', 'c'), hashFlow('a', 'bc'));
  assert.notEqual(hashFlow('a', ''), hashFlow('', 'a'));
});

test('shuffle sharding: an elephant: leaves nearly every mouse a queue of its own', () => {
  const elephant: number[] = [];
  dealHand(hashFlow('global-default', 'elephant'), 128, 6, elephant);
  const taken = new Set(elephant);
  let squashed = 0;
  for (let i = 0; i < 5_000; i++) {
    const hand: number[] = [];
    dealHand(hashFlow('global-default', `mouse-${i}`), 128, 6, hand);
    if (hand.every((card) => taken.has(card))) squashed++;
  }
  assert.equal(squashed, 0);
});

test('shuffle sharding: what can be dealt', () => {
  assert.ok(isDealable(128, 6));
  assert.ok(isDealable(64, 8));
  assert.ok(!isDealable(4, 5));
  assert.ok(handEntropyBits(10_000, 10) > 60 && !isDealable(10_000, 10));
});
