/**
 * Messages as tables: `message({ key: bytes(1), limit: int64(2) })` is the codec and, by inference, the type.
 * proto3 rules: fields at their zero value are left out when written, and read back as that value; unknown fields
 * are skipped. Revisions and counts are JS numbers; IDs, which use all 64 bits, are bigints; bytes are Buffers that
 * share the memory of the message they came in.
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

export { WireType };

export interface Codec<T, I = T> {
  encode(message: I): Buffer;
  decode(bytes: Buffer): T;
  write(writer: Writer, message: I): void;
  read(reader: Reader, end: number): T;
}

/** One row of a table. `zero` makes the value of an absent field. */
interface Field<T, I = T> {
  number: number;
  wireType: WireType;
  accepts(wireType: WireType): boolean;
  zero(): T;
  write(writer: Writer, value: I, tag: number): void;
  read(reader: Reader, wireType: WireType, sofar: T): T;
}

type Fields = Record<string, Field<any, any>>;
export type Read<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T, any> ? T : never };
export type Write<F extends Fields> = { [K in keyof F]?: F[K] extends Field<any, infer I> ? I | undefined : never };
/** What a codec reads. */
export type MessageOf<C> = C extends Codec<infer T, any> ? T : never;
/** What a codec writes: every field may be left out. */
export type InitOf<C> = C extends Codec<any, infer I> ? I : never;

export function message<F extends Fields>(fields: F): Codec<Read<F>, Write<F>> {
  const rows = Object.entries(fields).map(([name, field]) => ({
    name,
    field,
    tag: (field.number << 3) | field.wireType,
  }));
  const byNumber: ((typeof rows)[number] | undefined)[] = [];
  for (const row of rows) byNumber[row.field.number] = row;

  return withEnds({
    write(writer, value) {
      const record = value as Record<string, unknown>;
      for (const row of rows) {
        const v = record[row.name];
        if (v !== undefined) row.field.write(writer, v, row.tag);
      }
    },
    read(reader, end) {
      const out: Record<string, unknown> = {};
      for (const row of rows) out[row.name] = row.field.zero();
      while (reader.pos < end) {
        const tag = reader.uint32();
        const row = byNumber[tag >>> 3];
        if (!row) reader.skipUnknown(tag);
        else if (row.field.accepts(tag & 7)) out[row.name] = row.field.read(reader, tag & 7, out[row.name]);
        else throw new RangeError(`wrong wire type ${tag & 7} for ${row.name}`);
      }
      reader.endOf(end);
      return out as Read<F>;
    },
  });
}

/** Completes a codec made of its inner two halves. */
export function withEnds<T, I>(half: Pick<Codec<T, I>, 'write' | 'read'>): Codec<T, I> {
  return {
    ...half,
    encode(value) {
      const writer = new Writer();
      half.write(writer, value);
      return writer.toBuffer();
    },
    decode: (bytes) => half.read(new Reader(bytes), bytes.length),
  };
}

/** Messages in messages; what is nested deeper is refused, before it takes the stack. */
const depthMax = 600;

export class Reader extends BinaryReader {
  readonly #source: Buffer;
  #depth = 0;

  constructor(source: Buffer) {
    super(source);
    this.#source = source;
  }

  /** An int64 as a number, without the detour over bigint that the general reader takes. */
  int64Number(): number {
    const start = this.pos;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.#source[this.pos++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    this.pos = start;
    return Number(this.int64());
  }

  /** Shares the memory of the message. */
  buffer(): Buffer {
    const length = this.uint32();
    const start = this.pos;
    if (start + length > this.#source.length) throw new RangeError('premature end of message');
    this.pos = start + length;
    return this.#source.subarray(start, this.pos);
  }

  /** A message in a message. */
  nested<T, I>(codec: Codec<T, I>): T {
    if (++this.#depth > depthMax) throw new RangeError('messages nested too deeply');
    const value = codec.read(this, this.nestedEnd());
    this.#depth--;
    return value;
  }

  /** A field that is not in the table. */
  skipUnknown(tag: number): void {
    if (tag >>> 3 === 0) throw new RangeError('illegal tag 0');
    this.skip(tag & 7, tag >>> 3);
  }

  /** Where a message must end: a field that reached beyond it belongs to nobody. */
  endOf(end: number): void {
    if (this.pos !== end) throw new RangeError('a field reaches beyond its message');
  }

  /** The end of the nested message that starts here. */
  nestedEnd(): number {
    const length = this.uint32();
    const end = this.pos + length;
    if (end > this.#source.length) throw new RangeError('premature end of message');
    return end;
  }
}

export class Writer extends BinaryWriter {
  int64Number(value: number): void {
    if (value >= 0 && value <= 0xffffffff) this.uint32(value);
    else this.int64(value);
  }

  toBuffer(): Buffer {
    const bytes = this.finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

export const emptyBuffer = Buffer.alloc(0);
const isVarint = (wireType: WireType) => wireType === WireType.Varint;
const isDelimited = (wireType: WireType) => wireType === WireType.LengthDelimited;

const scalar = <T>(
  number: number,
  zero: T,
  read: (reader: Reader) => T,
  write: (writer: Writer, value: T) => void,
): Field<T> => ({
  number,
  wireType: WireType.Varint,
  accepts: isVarint,
  zero: () => zero,
  read,
  write(writer, value, tag) {
    if (value === zero) return;
    writer.uint32(tag);
    write(writer, value);
  },
});

export const int64 = (number: number): Field<number> =>
  scalar(
    number,
    0,
    (r) => r.int64Number(),
    (w, v) => w.int64Number(v),
  );
export const uint32 = (number: number): Field<number> =>
  scalar(
    number,
    0,
    (r) => r.uint32(),
    (w, v) => w.uint32(v),
  );
export const bool = (number: number): Field<boolean> =>
  scalar(
    number,
    false,
    (r) => r.bool(),
    (w, v) => w.bool(v),
  );
/** A signed 64-bit ID. */
export const id = (number: number): Field<bigint> =>
  scalar(
    number,
    0n,
    (r) => BigInt(r.int64()),
    (w, v) => w.int64(v),
  );
/** An unsigned 64-bit ID. */
export const unsignedId = (number: number): Field<bigint> =>
  scalar(
    number,
    0n,
    (r) => BigInt(r.uint64()),
    (w, v) => w.uint64(v),
  );
/** Values nobody listed are kept as they are, as proto3 has it. */
export const enumOf = <E extends Record<string, number>>(number: number, _values: E): Field<E[keyof E]> =>
  scalar<E[keyof E]>(
    number,
    0 as E[keyof E],
    (r) => r.int32() as E[keyof E],
    (w, v) => w.int32(v),
  );

export const bytes = (number: number): Field<Buffer, Uint8Array> => ({
  number,
  wireType: WireType.LengthDelimited,
  accepts: isDelimited,
  zero: () => emptyBuffer,
  read: (reader) => reader.buffer(),
  write(writer, value, tag) {
    if (value.length > 0) writer.uint32(tag).bytes(value);
  },
});

export const string = (number: number): Field<string> => ({
  number,
  wireType: WireType.LengthDelimited,
  accepts: isDelimited,
  zero: () => '',
  read: (reader) => reader.string(),
  write(writer, value, tag) {
    if (value !== '') writer.uint32(tag).string(value);
  },
});

/** A message inside a message: absent is `undefined`, present and empty is not. Lazy, for tables that recurse. */
export const nested = <T, I>(number: number, codec: () => Codec<T, I>): Field<T | undefined, I> => ({
  number,
  wireType: WireType.LengthDelimited,
  accepts: isDelimited,
  zero: () => undefined,
  read: (reader) => reader.nested(codec()),
  write(writer, value, tag) {
    writer.uint32(tag).fork();
    codec().write(writer, value);
    writer.join();
  },
});

/** Numbers are written packed, and read either way. */
export const repeated = <T, I>(field: Field<T, I>): Field<NonNullable<T>[], readonly NonNullable<I>[]> => {
  const isPacked = field.wireType === WireType.Varint;
  return {
    number: field.number,
    wireType: WireType.LengthDelimited,
    accepts: isPacked ? (wireType) => isVarint(wireType) || isDelimited(wireType) : isDelimited,
    zero: () => [],
    read(reader, wireType, sofar) {
      if (isPacked && wireType === WireType.LengthDelimited) {
        for (const end = reader.nestedEnd(); reader.pos < end; ) {
          sofar.push(field.read(reader, WireType.Varint, field.zero())!);
        }
      } else sofar.push(field.read(reader, wireType, field.zero())!);
      return sofar;
    },
    write(writer, values, tag) {
      if (values.length === 0) return;
      if (isPacked) {
        writer.uint32(tag).fork();
        for (const value of values) writer.int64Number(Number(value));
        writer.join();
      } else {
        for (const value of values) writeElement(writer, field, value, tag);
      }
    },
  };
};

/** An element of a list is written even when it is empty. */
function writeElement<T, I>(writer: Writer, field: Field<T, I>, value: I, tag: number): void {
  if (value instanceof Uint8Array) writer.uint32(tag).bytes(value);
  else if (typeof value === 'string') writer.uint32(tag).string(value);
  else field.write(writer, value, tag);
}
