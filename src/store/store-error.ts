import { status as Code } from '@grpc/grpc-js';

/** A request that is refused before anything was changed; code and words are etcd's, since clients match on them. */
export class StoreError extends Error {
  override name = 'StoreError';
  readonly code: Code;

  constructor(code: Code, message: string) {
    super(message);
    this.code = code;
  }
}

const row = (code: Code, message: string) => () => new StoreError(code, message);

export const errors = {
  emptyKey: row(Code.INVALID_ARGUMENT, 'etcdserver: key is not provided'),
  keyNotFound: row(Code.INVALID_ARGUMENT, 'etcdserver: key not found'),
  valueProvided: row(Code.INVALID_ARGUMENT, 'etcdserver: value is provided'),
  leaseProvided: row(Code.INVALID_ARGUMENT, 'etcdserver: lease is provided'),
  tooManyOperations: row(Code.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request'),
  duplicateKey: row(Code.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request'),
  invalidSortOption: row(Code.INVALID_ARGUMENT, 'etcdserver: invalid sort option'),
  requestTooLarge: row(Code.INVALID_ARGUMENT, 'etcdserver: request is too large'),
  compacted: row(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'),
  futureRevision: row(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision'),
  noSpace: row(Code.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'),
  leaseNotFound: row(Code.NOT_FOUND, 'etcdserver: requested lease not found'),
  leaseExists: row(Code.FAILED_PRECONDITION, 'etcdserver: lease already exists'),
  leaseTtlTooLarge: row(Code.OUT_OF_RANGE, 'etcdserver: too large lease TTL'),
  memberNotFound: row(Code.NOT_FOUND, 'etcdserver: member not found'),
  singleMember: row(
    Code.UNIMPLEMENTED,
    'evenkeel: the embedded store has one member; use real etcd for a cluster of several',
  ),
  tooManyRequests: row(Code.RESOURCE_EXHAUSTED, 'etcdserver: too many requests'),
  stopping: row(Code.UNAVAILABLE, 'etcdserver: server stopped'),
} as const;
