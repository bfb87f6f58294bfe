/** Decoders of values without parts. A value of the wrong type gives zero and is noted as odd. */
export interface DecodeState {
  /** There is something to report. */
  odd: boolean;
}
export type Decoder = (value: unknown, state: DecodeState) => unknown;

export const decodeAny: Decoder = (value) => value;

export const decodeString: Decoder = (value, state) => {
  if (typeof value === 'string') return value;
  state.odd = true;
  return '';
};

export const decodeBoolean: Decoder = (value, state) => {
  if (typeof value === 'boolean') return value;
  state.odd = true;
  return false;
};

export const decodeInt32: Decoder = (value, state) => {
  if (typeof value === 'number' && (value | 0) === value) return value;
  state.odd = true;
  return 0;
};

export const decodeInt64: Decoder = (value, state) => {
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 2 ** 63) return value;
  state.odd = true;
  return 0;
};

export const decodeNumber: Decoder = (value, state) => {
  if (typeof value === 'number') return value;
  state.odd = true;
  return 0;
};

/** With a length that is a multiple of four, this is all there is to canonical base64. */
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Line breaks inside are allowed, and not printed back. */
export const decodeBytes: Decoder = (value, state) => {
  if (typeof value === 'string') {
    const text = value.includes('\n') || value.includes('\r') ? value.replace(/[\r\n]/g, '') : value;
    if (text.length % 4 === 0 && base64.test(text)) return text;
  }
  state.odd = true;
  return '';
};

/** A type that is text in JSON; numbers are taken where upstream takes them (quantities). */
export function textDecoder(normalize: (text: string) => string, zero: string | null): Decoder {
  return (value, state) => {
    if (typeof value === 'string' || (zero === '0' && typeof value === 'number')) {
      try {
        return normalize(String(value));
      } catch {
        state.odd = true;
        return zero;
      }
    }
    state.odd = true;
    return zero;
  };
}
