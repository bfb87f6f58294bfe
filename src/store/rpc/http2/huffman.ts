/**
 * RFC 7541's Huffman code, decoded by length: the code is canonical, so the symbols of each length in order say all of
 * it. A code word of n bits lies in [first, first + count) of that length, and its place is the symbol's.
 */
const symbolsByLength: readonly (readonly [bits: number, symbols: string])[] = [
  [5, '48-50 97 99 101 105 111 115-116'],
  [6, '32 37 45-47 51-57 61 65 95 98 100 102-104 108-110 112 114 117'],
  [7, '58 66-87 89 106-107 113 118-122'],
  [8, '38 42 44 59 88 90'],
  [10, '33-34 40-41 63'],
  [11, '39 43 124'],
  [12, '35 62'],
  [13, '0 36 64 91 93 126'],
  [14, '94 125'],
  [15, '60 96 123'],
  [19, '92 195 208'],
  [20, '128 130-131 162 184 194 224 226'],
  [21, '153 161 167 172 176-177 179 209 216-217 227 229-230'],
  [22, '129 132-134 136 146 154 156 160 163-164 169-170 173 178 181 185-187 189-190 196 198 228 232-233'],
  [23, '1 135 137-141 143 147 149-152 155 157-158 165-166 168 174-175 180 182-183 188 191 197 231 239'],
  [24, '9 142 144-145 148 159 171 206 215 225 236-237'],
  [25, '199 207 234-235'],
  [26, '192-193 200-202 205 210 213 218-219 238 240 242-243 255'],
  [27, '203-204 211-212 214 221-223 241 244-248 250-254'],
  [28, '2-8 11-12 14-21 23-31 127 220 249'],
  [30, '10 13 22 256'],
];
const endOfString = 256;

interface Length {
  bits: number;
  first: number;
  symbols: readonly number[];
}

const lengths: readonly Length[] = (() => {
  const out: Length[] = [];
  let next = 0;
  let bits = 0;
  for (const [length, text] of symbolsByLength) {
    const symbols = text.split(' ').flatMap((part) => {
      const [from, to = from] = part.split('-').map(Number) as [number, number?];
      return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    });
    next *= 2 ** (length - bits);
    bits = length;
    out.push({ bits, first: next, symbols });
    next += symbols.length;
  }
  return out;
})();

/** Undefined: not a valid encoding. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number): string | undefined {
  const out: number[] = [];
  let code = 0;
  let bits = 0;
  let step = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      if (++bits !== lengths[step]!.bits) continue;
      const symbol = lengths[step]!.symbols[code - lengths[step]!.first];
      if (symbol === undefined) {
        if (++step === lengths.length) return undefined;
        continue;
      }
      if (symbol === endOfString) return undefined;
      out.push(symbol);
      code = bits = step = 0;
    }
  }
  // What fills the last byte is the beginning of the end-of-string code: ones, and less than a byte of them.
  if (bits > 7 || code !== 2 ** bits - 1) return undefined;
  return String.fromCharCode(...out);
}
