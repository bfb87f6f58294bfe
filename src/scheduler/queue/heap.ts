/** A binary heap with removal by key: the active and back-off queues. */
export class KeyedHeap<T> {
  #items: { key: string; value: T }[] = [];
  #positions = new Map<string, number>();
  #less: (a: T, b: T) => boolean;

  constructor(less: (a: T, b: T) => boolean) {
    this.#less = less;
  }

  get size(): number {
    return this.#items.length;
  }

  get(key: string): T | undefined {
    const at = this.#positions.get(key);
    return at === undefined ? undefined : this.#items[at]!.value;
  }

  peek(): T | undefined {
    return this.#items[0]?.value;
  }

  /** In no order. */
  values(): IterableIterator<T> {
    return this.#items.values().map(({ value }) => value);
  }

  /** Replaces what has the same key. */
  set(key: string, value: T): void {
    let at = this.#positions.get(key);
    if (at === undefined) {
      at = this.#items.length;
      this.#items.push({ key, value });
      this.#positions.set(key, at);
    } else this.#items[at]!.value = value;
    this.#up(at);
    this.#down(this.#positions.get(key)!);
  }

  pop(): T | undefined {
    const top = this.#items[0];
    return top && this.delete(top.key);
  }

  delete(key: string): T | undefined {
    const at = this.#positions.get(key);
    if (at === undefined) return undefined;
    const { value } = this.#items[at]!;
    this.#positions.delete(key);
    const last = this.#items.pop()!;
    if (last.key !== key) {
      this.#items[at] = last;
      this.#positions.set(last.key, at);
      this.#up(at);
      this.#down(this.#positions.get(last.key)!);
    }
    return value;
  }

  #up(at: number): void {
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#less(this.#items[at]!.value, this.#items[parent]!.value)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(at: number): void {
    for (;;) {
      let least = at;
      for (let child = 2 * at + 1; child <= 2 * at + 2 && child < this.#items.length; child++) {
        if (this.#less(this.#items[child]!.value, this.#items[least]!.value)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    const [x, y] = [this.#items[a]!, this.#items[b]!];
    this.#items[a] = y;
    this.#items[b] = x;
    this.#positions.set(y.key, a);
    this.#positions.set(x.key, b);
  }
}
