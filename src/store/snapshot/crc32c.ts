/** CRC-32C (Castagnoli), which zlib does not have: the hash of `etcdctl snapshot status`. Eight bytes a step. */
const tables = Array.from({ length: 8 }, () => new Int32Array(256));
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  tables[0]![byte] = crc;
}
for (let n = 1; n < 8; n++) {
  for (let byte = 0; byte < 256; byte++) {
    const crc = tables[n - 1]![byte]!;
    tables[n]![byte] = (crc >>> 8) ^ tables[0]![crc & 0xff]!;
  }
}
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;

/** `crc` is that of the bytes before: 0 at first. */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  let c = ~crc;
  let i = 0;
  for (; i + 8 <= bytes.length; i += 8) {
    const low = c ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    c =
      t7![low & 0xff]! ^
      t6![(low >>> 8) & 0xff]! ^
      t5![(low >>> 16) & 0xff]! ^
      t4![low >>> 24]! ^
      t3![bytes[i + 4]!]! ^
      t2![bytes[i + 5]!]! ^
      t1![bytes[i + 6]!]! ^
      t0![bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t0![(c ^ bytes[i]!) & 0xff]!;
  return ~c >>> 0;
}
