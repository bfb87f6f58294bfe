/**
 * Joins small parts until a batch is worth a write. A list is thousands of entries of a few hundred bytes; a write each
 * costs more than the copy, and one copy of everything would double the memory of a large list.
 */
export function* batches(parts: readonly Buffer[]): Generator<Buffer> {
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
