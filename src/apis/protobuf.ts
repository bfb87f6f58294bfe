/** The protobuf form of the built-in kinds. A large table: loaded by the first client that speaks it. */
import { ProtobufDecoder, type ProtoFacts } from '#apimachinery/protobuf/decode-protobuf.ts';
import type { SchemaSet } from '#apimachinery/schema/schema.ts';
import facts from './facts/proto-fields.json' with { type: 'json' };

let decoder: ProtobufDecoder | undefined;

export function protobufDecoder(schemas: SchemaSet): ProtobufDecoder {
  decoder ??= new ProtobufDecoder(facts as unknown as ProtoFacts, schemas);
  return decoder;
}
