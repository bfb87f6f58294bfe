/**
 * Keys whose value in the store is no object to this server: written in another encoding, or damaged. They are not
 * left out of what is read: whoever took such an object for gone would delete what belongs to it. What would have to
 * show it goes to the store, and fails there with the key's name; everything else goes on, watches too, which are told
 * of the key again once it can be read or is gone.
 */
interface Span {
  from: number;
  /** The first revision at which it could be read again, or was gone. */
  to: number;
}

const pastMax = 100;

export class UnreadableKeys {
  /** Since which revision. */
  readonly #now = new Map<string, number>();
  /** States of these revisions cannot be shown from memory. */
  #past: Span[] = [];

  get size(): number {
    return this.#now.size;
  }

  begin(key: string, revision: number): void {
    if (!this.#now.has(key)) this.#now.set(key, revision);
  }

  end(key: string, revision: number): void {
    const from = this.#now.get(key);
    if (from === undefined) return;
    this.#now.delete(key);
    this.#past.push({ from, to: revision });
    if (this.#past.length <= pastMax) return;
    const [first, second] = this.#past as [Span, Span];
    this.#past.splice(0, 2, { from: Math.min(first.from, second.from), to: Math.max(first.to, second.to) });
  }

  clear(): void {
    this.#now.clear();
    this.#past = [];
  }

  has(key: string): boolean {
    return this.#now.has(key);
  }

  /** One that starts with the prefix. */
  under(prefix: string): string | undefined {
    for (const key of this.#now.keys()) if (key.startsWith(prefix)) return key;
    return undefined;
  }

  /** Whether anything could not be read at that revision. */
  at(revision: number): boolean {
    for (const from of this.#now.values()) if (from <= revision) return true;
    return this.#past.some(({ from, to }) => from <= revision && revision < to);
  }
}
