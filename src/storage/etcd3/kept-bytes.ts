/**
 * Beside Buffer's pool, whose 64 KiB are shared with everything that comes and goes: one cached object would keep all of
 * it. Small objects share a few KiB among themselves, which is quicker to make and to collect than a buffer each.
 */
export function keptBytes(text: string): Buffer {
  const length = Buffer.byteLength(text);
  let bytes: Buffer;
  if (length > inSlabBytesMax) {
    bytes = Buffer.allocUnsafeSlow(length);
  } else {
    if (slabUsed + length > slabBytes) {
      slab = Buffer.allocUnsafeSlow(slabBytes);
      slabUsed = 0;
    }
    bytes = slab.subarray(slabUsed, slabUsed + length);
    slabUsed += length;
  }
  bytes.write(text);
  return bytes;
}

const slabBytes = 8 * 1024;
/** Larger ones have memory of their own. */
const inSlabBytesMax = 1024;
let slab = Buffer.allocUnsafeSlow(slabBytes);
let slabUsed = 0;
