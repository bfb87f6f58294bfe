/**
 * Shuffle sharding: each flow is dealt its own hand of queues. Two flows rarely hold the same hand, so a flow that fills
 * its queues leaves any other at least one that is short.
 */

/** 53 bits: what a JS number holds. A hand of 6 from 128 needs 42, of 8 from 64 needs 48. */
const hashBitsMax = 53;

/**
 * The hand of a flow: `handSize` different queues out of `deckSize`, drawn by the digits of `hash` in a base that
 * shrinks with the deck. `hand` is filled, so that a request deals without allocating.
 *
 *     deck 4, hand 2, hash 7:  7 % 4 = 3 → queue 3;  ⌊7/4⌋ = 1, 1 % 3 = 1 → the second of what is left, 0 1 2 → queue 1
 */
export function dealHand(hash: number, deckSize: number, handSize: number, hand: number[]): void {
  hand.length = 0;
  let rest = hash;
  for (let i = 0; i < handSize; i++) {
    const left = deckSize - i;
    let card = rest % left;
    rest = Math.floor(rest / left);
    // `hand` is kept sorted here: every smaller card already dealt moves this one up by one.
    let at = 0;
    while (at < i && hand[at]! <= card) {
      card++;
      at++;
    }
    hand.splice(at, 0, card);
  }
}

/** Two words of FNV-1a's kind, joined to 53 bits: fast, and even enough for dealing. */
export function hashFlow(schema: string, distinguisher: string): number {
  let high = 0x811c9dc5;
  let low = 0x1b873593;
  const mix = (code: number) => {
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x5bd1e995);
    low ^= low >>> 15;
  };
  for (let i = 0; i < schema.length; i++) mix(schema.charCodeAt(i));
  mix(0x1_0000);
  for (let i = 0; i < distinguisher.length; i++) mix(distinguisher.charCodeAt(i));
  high ^= high >>> 16;
  high = Math.imul(high, 0x85ebca6b);
  low = Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  return ((high >>> 0) & 0x1f_ffff) * 0x1_0000_0000 + ((low ^ (low >>> 16)) >>> 0);
}

/** Bits of randomness that dealing such a hand uses up; a hash with fewer would favour some hands. */
export function handEntropyBits(deckSize: number, handSize: number): number {
  let bits = 0;
  for (let i = 0; i < handSize; i++) bits += Math.log2(deckSize - i);
  return bits;
}

export function isDealable(deckSize: number, handSize: number): boolean {
  return handSize <= deckSize && handEntropyBits(deckSize, handSize) <= hashBitsMax + 7;
}
