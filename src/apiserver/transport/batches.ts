import type { Writable } from 'node:stream';

/**
 * Writes the parts and ends, no faster than the client reads: until then a part is shared with everyone who is sent it,
 * and a client that asks for many large lists and reads none would make the server hold a copy of each.
 */
export function writeBatches(out: Writable, parts: readonly Buffer[]): void {
  const rest = batches(parts);
  let next = rest.next();
  const writeOn = (): void => {
    while (!next.done) {
      const batch = next.value;
      next = rest.next();
      // The last batch ends the stream: a frame of its own for the end would be another write.
      if (next.done) return void out.end(batch);
      out.write(batch);
      if (out.writableLength > unreadBytesMax) return void out.once('drain', writeOn);
    }
    out.end();
  };
  writeOn();
}

/** Copied for one client and not read by it yet. */
const unreadBytesMax = 256 * 1024;

/**
 * Joins small parts until a batch is worth a write. A list is thousands of entries of a few hundred bytes; a write each
 * costs more than the copy, and one copy of everything would double the memory of a large list.
 */
function* batches(parts: readonly Buffer[]): Generator<Buffer> {
  let start = 0;
  let size = 0;
  for (let i = 0; i < parts.length; i++) {
    size += parts[i]!.length;
    if (size < batchBytes) continue;
    yield start === i ? parts[i]! : Buffer.concat(parts.slice(start, i + 1), size);
    start = i + 1;
    size = 0;
  }
  if (start < parts.length) yield Buffer.concat(parts.slice(start), size);
}

const batchBytes = 64 * 1024;
