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
 * that nothing was done; etcd gives those with codes that the transport does not use for its own troubles.
 */
export function etcdErrorOf(error: { code?: number; details?: string; message: string }): EtcdError {
  const text = error.details || error.message;
  let code = (error.code as Code | undefined) ?? Code.UNKNOWN;
  if (code === Code.UNKNOWN) code = codeOfText(text) ?? code;
  return new EtcdError(code, text, isOutcomeUnknown(code) && !neverSent.test(text), { cause: error });
}

/** The channel's words for a request that found no connection. */
const neverSent = /^(No connection established|Name resolution failed|.*Waiting for LB pick)/;

function isOutcomeUnknown(code: Code): boolean {
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
