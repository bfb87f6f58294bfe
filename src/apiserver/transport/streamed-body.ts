import type { Writable } from 'node:stream';
import type { StreamedBody } from '../request.ts';

const chunkBytes = 64 * 1024;
/** Chunks that one client may have been sent and not taken yet: all that it makes this server hold. */
const chunksMax = 4;

/**
 * Writes the body and ends, no faster than the client reads. A chunk is filled anew once it has been taken, so that a
 * list of any size costs a few chunks of memory, and no time to make and collect more. Never for another client: what
 * the connection's layers below still hold of a broken stream must not become someone else's list.
 */
export function writeStreamedBody(out: Writable, body: StreamedBody): void {
  let left = body.byteLength;
  const fill = (chunk: Buffer): void => {
    if (left === 0) return;
    const size = body.read(chunk);
    left -= size;
    const filled = size === chunk.length ? chunk : chunk.subarray(0, size);
    // The last one ends the stream: a frame of its own for the end would be another write.
    if (left === 0) return void out.end(filled);
    out.write(filled, (error) => {
      if (!error) fill(chunk);
    });
  };
  for (let i = 0; i < chunksMax && left > 0; i++) fill(Buffer.allocUnsafeSlow(Math.min(chunkBytes, left)));
}
