import type { StoredObject } from '#storage/storage.ts';
import type { StreamedBody } from '../request.ts';

const comma = 0x2c;
const brace = 0x7b;
const separatorBytes = 2;
const endOfList = Buffer.from(']}\n');

/**
 * A list as JSON, copied from its entries' bytes piece by piece as the client takes it. Upstream's typed lists leave
 * kind and apiVersion out of their items: the constant head of each entry is skipped.
 */
export class ListBody implements StreamedBody {
  readonly byteLength: number;
  readonly #entries: readonly StoredObject[];
  readonly #headBytes: number;
  /** Items that were not written by a codec of ours, as a list has them; by index. */
  readonly #others: ReadonlyMap<number, Buffer> | undefined;
  /** What is being copied: -1 the opening, then the entries, then the end. */
  #index = -1;
  #piece: Buffer;
  #offset = 0;

  /** `opening`: up to and with the `[` of the items. `head`: what entries begin with, `{` and the comma after it too. */
  constructor(opening: Buffer, entries: readonly StoredObject[], head: Buffer) {
    this.#piece = opening;
    this.#entries = entries;
    this.#headBytes = head.length;
    let others: Map<number, Buffer> | undefined;
    let bytes = opening.length + endOfList.length + Math.max(0, entries.length - 1);
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (startsWith(entry.bytes, head)) {
        bytes += 1 + entry.bytes.length - head.length;
        continue;
      }
      others ??= new Map();
      const { kind: _kind, apiVersion: _apiVersion, ...rest } = entry.object();
      const other = Buffer.from(JSON.stringify(rest));
      others.set(i, other);
      bytes += other.length;
    }
    this.#others = others;
    this.byteLength = bytes;
  }

  read(into: Buffer): number {
    let at = 0;
    for (;;) {
      const taken = Math.min(this.#piece.length - this.#offset, into.length - at);
      this.#piece.copy(into, at, this.#offset, this.#offset + taken);
      this.#offset += taken;
      at += taken;
      if (this.#offset < this.#piece.length || this.#index === this.#entries.length) return at;
      if (this.#index === this.#entries.length - 1) {
        this.#index++;
        this.#piece = endOfList;
        this.#offset = 0;
        continue;
      }
      if (into.length - at < separatorBytes) return at;
      if (this.#index >= 0) into[at++] = comma;
      into[at++] = brace;
      this.#next();
    }
  }

  #next(): void {
    const index = ++this.#index;
    const other = this.#others?.get(index);
    this.#piece = other ?? this.#entries[index]!.bytes;
    this.#offset = other ? 1 : this.#headBytes;
  }
}

/** From its end, where heads differ. A loop: for so few bytes a call out of the engine costs more. */
function startsWith(bytes: Buffer, head: Buffer): boolean {
  if (bytes.length <= head.length) return false;
  let at = head.length;
  while (at > 0 && bytes[at - 1] === head[at - 1]) at--;
  return at === 0;
}
