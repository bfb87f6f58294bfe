/**
 * Cuts a stream's bytes into gRPC messages: a byte that says whether it is compressed, four for the length, the message.
 * A length is believed only up to the limit, and memory is taken as bytes come, not as they are announced.
 */
import { Code } from '#etcd/grpc-status.ts';

export const prefixBytes = 5;

/** The status with which a call ends that cannot be read. */
export interface Refusal {
  code: Code;
  details: string;
}

export class MessageReader {
  readonly #bytesMax: number;
  readonly #encoding: string;
  readonly #onMessage: (message: Buffer) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number, encoding: string, onMessage: (message: Buffer) => void) {
    this.#bytesMax = bytesMax;
    this.#encoding = encoding;
    this.#onMessage = onMessage;
  }

  /** Of a message that has begun and not ended. */
  get heldBytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): Refusal | undefined {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= prefixBytes) {
      let first = this.#parts[0]!;
      if (first.length < prefixBytes) first = this.#join();
      if (first[0] !== 0) return this.#compressed(first[0]!);
      const length = first.readUInt32BE(1);
      if (length > this.#bytesMax) {
        const details = `grpc: received message larger than max (${length} vs. ${this.#bytesMax})`;
        return { code: Code.RESOURCE_EXHAUSTED, details };
      }
      const end = prefixBytes + length;
      if (this.#bytes < end) return undefined;
      if (first.length < end) first = this.#join();
      this.#parts = first.length > end ? [first.subarray(end)] : [];
      this.#bytes -= end;
      this.#onMessage(first.subarray(prefixBytes, end));
    }
    return undefined;
  }

  /** All that is there, which is one message and what follows it at most. */
  #join(): Buffer {
    const joined = Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [joined];
    return joined;
  }

  #compressed(flag: number): Refusal {
    if (flag !== 1) return { code: Code.INTERNAL, details: `grpc: received unexpected payload format ${flag}` };
    if (this.#encoding === '' || this.#encoding === 'identity')
      return { code: Code.INTERNAL, details: 'grpc: compressed flag set with identity or empty encoding' };
    const details = `grpc: Decompressor is not installed for grpc-encoding "${this.#encoding}"`;
    return { code: Code.UNIMPLEMENTED, details };
  }
}

/** A message with its prefix. */
export function framed(message: Buffer): Buffer {
  const out = Buffer.allocUnsafe(prefixBytes + message.length);
  out[0] = 0;
  out.writeUInt32BE(message.length, 1);
  message.copy(out, prefixBytes);
  return out;
}
