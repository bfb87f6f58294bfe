/** A watch's body: one JSON event a line. */
import type { Readable } from 'node:stream';
import type { KubeObject } from '#apimachinery/object.ts';
import { type Status, StatusError } from '#apimachinery/status-error.ts';
import type { WatchEvent } from './client.ts';

/** Objects are bounded by the server (about 3 MB as upstream configures it); far beyond is no watch. */
const lineBytesMax = 64 << 20;
const newline = 0x0a;

/** Throws StatusError on an ERROR event. */
export async function* readWatchEvents<T extends KubeObject>(body: Readable): AsyncGenerator<WatchEvent<T>> {
  for await (const line of splitLines(body)) {
    const event = JSON.parse(line) as WatchEvent<T>;
    if (event.type === 'ERROR') throw new StatusError(event.object as unknown as Status);
    yield event;
  }
}

/** Pieces of an unfinished line are kept as they came and joined once, when its end arrives. */
export async function* splitLines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  let pieceBytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start);
      if (end < 0) break;
      const rest = chunk.subarray(start, end);
      const line = pieceBytes === 0 ? rest : Buffer.concat([...pieces, rest]);
      pieces = [];
      pieceBytes = 0;
      start = end + 1;
      if (line.length > 0) yield line.toString('utf8');
    }
    if (start < chunk.length) {
      pieces.push(start === 0 ? chunk : chunk.subarray(start));
      pieceBytes += chunk.length - start;
      if (pieceBytes > lineBytesMax) throw new Error(`a watch event is longer than ${lineBytesMax} bytes`);
    }
  }
  if (pieceBytes > 0) yield Buffer.concat(pieces).toString('utf8');
}
