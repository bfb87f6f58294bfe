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

/** etcd's refusals by name, those of its lock and election services, and those that only a store of one member gives. */
export const errors = {
  ...(Object.fromEntries(
    Object.entries(etcdErrors).map(([name, [code, text]]) => [name, refusal(code, text)]),
  ) as Record<keyof typeof etcdErrors, () => StoreError>),
  singleMember: refusal(
    Code.UNIMPLEMENTED,
    'evenkeel: the embedded store has one member; use real etcd for a cluster of several',
  ),
  noUsers: refusal(
    Code.UNIMPLEMENTED,
    'evenkeel: the embedded store has no users and roles; let clients in by certificate, or use real etcd',
  ),
  leaderMissing: refusal(Code.UNKNOWN, '"leader" field must be provided'),
  noLeader: refusal(Code.UNKNOWN, 'election: no leader'),
  notLeader: refusal(Code.UNKNOWN, 'election: not leader'),
  sessionExpired: refusal(Code.UNKNOWN, 'mutex: session is expired'),
  stopping: refusal(Code.UNAVAILABLE, 'etcdserver: server stopped'),
};
