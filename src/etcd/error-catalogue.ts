import { Code } from './grpc-status.ts';

export { Code };

/** etcd's refusals, by code and words (rpctypes). Clients match on both; a server gives them before it changes anything. */
export const etcdErrors = {
  emptyKey: [Code.INVALID_ARGUMENT, 'etcdserver: key is not provided'],
  keyNotFound: [Code.INVALID_ARGUMENT, 'etcdserver: key not found'],
  valueProvided: [Code.INVALID_ARGUMENT, 'etcdserver: value is provided'],
  leaseProvided: [Code.INVALID_ARGUMENT, 'etcdserver: lease is provided'],
  tooManyOperations: [Code.INVALID_ARGUMENT, 'etcdserver: too many operations in txn request'],
  duplicateKey: [Code.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request'],
  invalidSortOption: [Code.INVALID_ARGUMENT, 'etcdserver: invalid sort option'],
  requestTooLarge: [Code.INVALID_ARGUMENT, 'etcdserver: request is too large'],
  compacted: [Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'],
  futureRevision: [Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision'],
  noSpace: [Code.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'],
  tooManyRequests: [Code.RESOURCE_EXHAUSTED, 'etcdserver: too many requests'],
  leaseNotFound: [Code.NOT_FOUND, 'etcdserver: requested lease not found'],
  leaseExists: [Code.FAILED_PRECONDITION, 'etcdserver: lease already exists'],
  leaseTtlTooLarge: [Code.OUT_OF_RANGE, 'etcdserver: too large lease TTL'],
  corrupt: [Code.DATA_LOSS, 'etcdserver: corrupt cluster'],
  memberNotFound: [Code.NOT_FOUND, 'etcdserver: member not found'],
  badLeaderTransferee: [Code.FAILED_PRECONDITION, 'etcdserver: bad leader transferee'],
  authNotEnabled: [Code.FAILED_PRECONDITION, 'etcdserver: authentication is not enabled'],
  rootUserNotExist: [Code.FAILED_PRECONDITION, 'etcdserver: root user does not exist'],
  userNotFound: [Code.FAILED_PRECONDITION, 'etcdserver: user name not found'],
  roleNotFound: [Code.FAILED_PRECONDITION, 'etcdserver: role name not found'],
  permissionDenied: [Code.PERMISSION_DENIED, 'etcdserver: permission denied'],
  noLeader: [Code.UNAVAILABLE, 'etcdserver: no leader'],
  leaderChanged: [Code.UNAVAILABLE, 'etcdserver: leader changed'],
  stopped: [Code.UNAVAILABLE, 'etcdserver: server stopped'],
  timedOut: [Code.UNAVAILABLE, 'etcdserver: request timed out'],
  timedOutByLeader: [Code.UNAVAILABLE, 'etcdserver: request timed out, possibly due to previous leader failure'],
  timedOutByConnection: [Code.UNAVAILABLE, 'etcdserver: request timed out, possibly due to connection lost'],
} as const satisfies Record<string, readonly [Code, string]>;

const codes = new Map<string, Code>(Object.values(etcdErrors).map(([code, text]) => [text, code]));

/** The code that belongs to etcd's words: the gRPC proxy passes on the words only, with the code UNKNOWN. */
export const codeOfText = (text: string): Code | undefined => codes.get(text);
