import type { Writable } from 'node:stream';

/** Up to here a copy costs less than another write. */
const joinedBytesMax = 64 * 1024;

/** Writes the parts and ends. They are not copied when they are large: an object is shared by all who are sent it. */
export function writeParts(out: Writable, parts: readonly Buffer[], length: number): void {
  if (length <= joinedBytesMax) return void out.end(Buffer.concat(parts, length));
  for (const part of parts) out.write(part);
  out.end();
}
