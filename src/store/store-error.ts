import { Code, etcdErrors } from '#etcd/error-catalogue.ts';

/** A request that is refused before anything was changed; code and words are etcd's, since clients match on them. */
export class StoreError extends Error {
  override name = 'StoreError';
  readonly code: Code;

  constructor(code: Code, message: string) {
    super(message);
    this.code = code;
  }
}

const refusal = (code: Code, message: string) => () => new StoreError(code, message);

/** etcd's refusals by name, and the two that only a store of one member gives. */
export const errors = {
  ...(Object.fromEntries(
    Object.entries(etcdErrors).map(([name, [code, text]]) => [name, refusal(code, text)]),
  ) as Record<keyof typeof etcdErrors, () => StoreError>),
  singleMember: refusal(
    Code.UNIMPLEMENTED,
    'evenkeel: the embedded store has one member; use real etcd for a cluster of several',
  ),
  stopping: refusal(Code.UNAVAILABLE, 'etcdserver: server stopped'),
};
