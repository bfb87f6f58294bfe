/** Chance by a seed (sfc32). Streams of one seed are independent: leaving out a fault changes no operation. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number, stream: string) {
    let h = 0x811c9dc5 ^ seed;
    for (let i = 0; i < stream.length; i++) h = Math.imul(h ^ stream.charCodeAt(i), 0x01000193);
    this.#a = seed | 0;
    this.#b = h | 0;
    this.#c = Math.imul(h ^ 0x9e3779b9, 0x85ebca6b) | 0;
    this.#d = 1;
    for (let i = 0; i < 12; i++) this.int32();
  }

  int32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t;
  }

  /** 0 ≤ x < 1. */
  next(): number {
    return (this.int32() >>> 0) / 4294967296;
  }

  /** 0 ≤ n < end, whole. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** min ≤ n ≤ max, whole. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** By weight: `{ get: 3, put: 1 }`. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return entries.at(-1)![0];
  }
}
