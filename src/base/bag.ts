/**
 * An unordered set of what comes and goes many thousand times a second, such as the requests being served. A `Set`
 * is slower here than it looks: it rebuilds its table as entries come and go, each table it leaves behind refers to the
 * next, and one that got old keeps all its followers, with everything that was in them, alive until the next full
 * collection. Measured on GETs: a quarter of all that was allocated survived for nothing.
 */
export interface BagItem {
  /** Where it lies in its bag; the bag's own. -1: in none. One item is in one bag at most. */
  bagIndex: number;
}

export class Bag<T extends BagItem> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    if (item.bagIndex >= 0) return;
    item.bagIndex = this.#items.length;
    this.#items.push(item);
  }

  delete(item: T): void {
    const index = item.bagIndex;
    if (index < 0) return;
    item.bagIndex = -1;
    const last = this.#items.pop()!;
    if (last === item) return;
    last.bagIndex = index;
    this.#items[index] = last;
  }

  /** All that is in it now; what is added or deleted meanwhile changes nothing. */
  snapshot(): readonly T[] {
    return [...this.#items];
  }
}
