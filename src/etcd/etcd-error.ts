import { Code, codeOfText } from './error-catalogue.ts';

export { Code };

/** A request that failed. `code` is gRPC's; etcd's own text is in `message` (`etcdserver: mvcc: …`). */
export class EtcdError extends Error {
  override name = 'EtcdError';
  readonly code: Code;
  /**
   * The store may have done what was asked: the answer is missing, not negative. A write may be repeated blindly only
   * when this is false; otherwise read back first.
   */
  readonly maybeApplied: boolean;

  constructor(code: Code, message: string, maybeApplied: boolean, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.maybeApplied = maybeApplied;
  }
}

/**
 * Of what gRPC reports for a request that was handed to a connection. Only an answer of etcd itself says for certain
 * that nothing was done; etcd gives those with codes that the transport does not use for its own troubles, or in words
 * that it uses before it proposes anything.
 */
export function etcdErrorOf(error: { code?: number; details?: string; message: string }): EtcdError {
  const text = error.details || error.message;
  let code = (error.code as Code | undefined) ?? Code.UNKNOWN;
  if (code === Code.UNKNOWN) code = codeOfText(text) ?? code;
  if (brokenOff.test(text)) code = Code.UNAVAILABLE;
  const isNotDone = neverSent.test(text) || refusedUnseen.test(text);
  return new EtcdError(code, text, isOutcomeUnknown(code) && !isNotDone, { cause: error });
}

/** The channel's words, under several codes, for a connection that ended in the middle of an answer. */
const brokenOff = /^Received (HTTP status code 200|RST_STREAM with code)/;
/** The channel's words for a request that found no connection. */
const neverSent = /^(No connection established|Name resolution failed|.*Waiting for LB pick)/;
/** etcd's words for a request that it did not look at: this member cannot serve now, another may, or this one soon. */
const refusedUnseen = /^etcdserver: (no leader|too many requests)$/;

/** Certainly nothing was done, and it may be tried again: it never left, or the member refused to look at it. */
export function isNotProposed(error: EtcdError): boolean {
  return (error.code === Code.UNAVAILABLE && !error.maybeApplied) || refusedUnseen.test(error.message);
}

/** What the transport says, not the store. */
export function isOutcomeUnknown(code: Code): boolean {
  return (
    code === Code.UNAVAILABLE ||
    code === Code.DEADLINE_EXCEEDED ||
    code === Code.CANCELLED ||
    code === Code.UNKNOWN ||
    code === Code.INTERNAL ||
    code === Code.ABORTED ||
    code === Code.DATA_LOSS
  );
}
