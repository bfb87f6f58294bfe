/** HPACK (RFC 7541): reads header blocks with the peer's dynamic table, and writes them without one of ours. */
import { decodeHuffman } from './huffman.ts';

/** The size of the table that the peer may use with us: HTTP/2's default. */
const tableBytesMax = 4096;
/** What the RFC counts for an entry on top of its texts. */
const entryOverheadBytes = 32;
/** All fields of a block, counted so: more is refused. Said to the peer as MAX_HEADER_LIST_SIZE. */
export const headerListBytesMax = 32 * 1024;
/** Integers in a header block are lengths and indices: none needs more. */
const integerMax = 2 ** 24;

/** The block cannot be read, and with it none after it: the connection is lost. */
export class HpackError extends Error {
  override name = 'HpackError';
}

interface Entry {
  name: string;
  value: string;
}

export class HpackDecoder {
  /** Newest first. */
  #table: Entry[] = [];
  #tableBytes = 0;
  #tableMax = tableBytesMax;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Calls `field` for each field of a whole block. */
  decode(block: Buffer, field: (name: string, value: string) => void): void {
    this.#bytes = block;
    this.#at = 0;
    let listBytes = 0;
    let isStart = true;
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if ((first & 0xe0) === 0x20) {
        if (!isStart) throw new HpackError('table size update within a block');
        this.#resize(this.#integer(5));
        continue;
      }
      isStart = false;
      let entry: Entry;
      if (first & 0x80) entry = this.#entry(this.#integer(7));
      else {
        const isIndexed = (first & 0x40) !== 0;
        const name = this.#integer(isIndexed ? 6 : 4);
        entry = { name: name === 0 ? this.#string() : this.#entry(name).name, value: this.#string() };
        if (isIndexed) this.#add(entry);
      }
      listBytes += sizeOf(entry);
      if (listBytes > headerListBytesMax) throw new HpackError('too many headers');
      field(entry.name, entry.value);
    }
  }

  #entry(index: number): Entry {
    const entry = index < staticTable.length ? staticTable[index] : this.#table[index - staticTable.length];
    if (!entry) throw new HpackError('no such index');
    return entry;
  }

  #add(entry: Entry): void {
    const bytes = sizeOf(entry);
    this.#evict(this.#tableMax - bytes);
    if (bytes > this.#tableMax) return;
    this.#table.unshift(entry);
    this.#tableBytes += bytes;
  }

  #resize(max: number): void {
    if (max > tableBytesMax) throw new HpackError('table too large');
    this.#tableMax = max;
    this.#evict(max);
  }

  #evict(bytes: number): void {
    while (this.#tableBytes > bytes && this.#table.length > 0) this.#tableBytes -= sizeOf(this.#table.pop()!);
  }

  #integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (value > integerMax || scale > integerMax) throw new HpackError('integer too large');
      if (byte < 0x80) return value;
    }
  }

  #string(): string {
    const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new HpackError('block ends within a text');
    if (!isHuffman) return this.#bytes.toString('latin1', start, this.#at);
    const text = decodeHuffman(this.#bytes, start, this.#at);
    if (text === undefined) throw new HpackError('wrong Huffman code');
    return text;
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) throw new HpackError('block ends within a number');
    return this.#bytes[this.#at++]!;
  }
}

const sizeOf = ({ name, value }: Entry): number => name.length + value.length + entryOverheadBytes;

/** Fields as literals that no table keeps: the same bytes on every connection, so that they can be made once. */
export function encodeFields(fields: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const index = staticTable.findIndex((entry) => entry?.name === name && entry.value === value);
    if (index > 0) parts.push(encodeInteger(index, 7, 0x80));
    else parts.push(Buffer.from([0]), encodeString(name), encodeString(value));
  }
  return Buffer.concat(parts);
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([encodeInteger(bytes.length, 7, 0), bytes]);
}

function encodeInteger(value: number, prefixBits: number, flags: number): Buffer {
  const most = (1 << prefixBits) - 1;
  if (value < most) return Buffer.from([flags | value]);
  const out = [flags | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  out.push(rest);
  return Buffer.from(out);
}

const staticFields = `
:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204
:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate
accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control
content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type
cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since
last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after
server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`;

/** Indices begin at 1. */
const staticTable: readonly (Entry | undefined)[] = [
  undefined,
  ...staticFields
    .trim()
    .split(/[|\n]/)
    .map((field) => {
      const space = field.indexOf(' ');
      return space < 0 ? { name: field, value: '' } : { name: field.slice(0, space), value: field.slice(space + 1) };
    }),
];
