/** The other messages of etcd's v3 API (etcdserverpb), with upstream's names and field numbers. */
import { KeyValue, RangeResponse, ResponseHeader } from './key-value.ts';
import {
  bool,
  bytes,
  type Codec,
  enumOf,
  type InitOf,
  id,
  int64,
  type MessageOf,
  message,
  nested,
  repeated,
  string,
  uint32,
  unsignedId,
} from './wire.ts';

const header = nested(1, () => ResponseHeader);
const onlyHeader = message({ header });
const empty = message({});

// ---- KV

export const SortOrder = { NONE: 0, ASCEND: 1, DESCEND: 2 } as const;
export const SortTarget = { KEY: 0, VERSION: 1, CREATE: 2, MOD: 3, VALUE: 4 } as const;

export const RangeRequest = message({
  key: bytes(1),
  rangeEnd: bytes(2),
  limit: int64(3),
  revision: int64(4),
  sortOrder: enumOf(5, SortOrder),
  sortTarget: enumOf(6, SortTarget),
  serializable: bool(7),
  keysOnly: bool(8),
  countOnly: bool(9),
  minModRevision: int64(10),
  maxModRevision: int64(11),
  minCreateRevision: int64(12),
  maxCreateRevision: int64(13),
});
export type RangeRequest = MessageOf<typeof RangeRequest>;

export const PutRequest = message({
  key: bytes(1),
  value: bytes(2),
  lease: id(3),
  prevKv: bool(4),
  ignoreValue: bool(5),
  ignoreLease: bool(6),
});
export type PutRequest = MessageOf<typeof PutRequest>;
export const PutResponse = message({ header, prevKv: nested(2, () => KeyValue) });
export type PutResponse = MessageOf<typeof PutResponse>;

export const DeleteRangeRequest = message({ key: bytes(1), rangeEnd: bytes(2), prevKv: bool(3) });
export type DeleteRangeRequest = MessageOf<typeof DeleteRangeRequest>;
export const DeleteRangeResponse = message({
  header,
  deleted: int64(2),
  prevKvs: repeated(nested(3, () => KeyValue)),
});
export type DeleteRangeResponse = MessageOf<typeof DeleteRangeResponse>;

export const CompareResult = { EQUAL: 0, GREATER: 1, LESS: 2, NOT_EQUAL: 3 } as const;
export const CompareTarget = { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3, LEASE: 4 } as const;

export const Compare = message({
  result: enumOf(1, CompareResult),
  target: enumOf(2, CompareTarget),
  key: bytes(3),
  version: int64(4),
  createRevision: int64(5),
  modRevision: int64(6),
  value: bytes(7),
  lease: id(8),
  rangeEnd: bytes(64),
});
export type Compare = MessageOf<typeof Compare>;

/** One of the four. */
export interface RequestOp {
  requestRange: RangeRequest | undefined;
  requestPut: PutRequest | undefined;
  requestDeleteRange: DeleteRangeRequest | undefined;
  requestTxn: TxnRequest | undefined;
}
export interface RequestOpInit {
  requestRange?: InitOf<typeof RangeRequest>;
  requestPut?: InitOf<typeof PutRequest>;
  requestDeleteRange?: InitOf<typeof DeleteRangeRequest>;
  requestTxn?: TxnRequestInit;
}
export const RequestOp: Codec<RequestOp, RequestOpInit> = message({
  requestRange: nested(1, () => RangeRequest),
  requestPut: nested(2, () => PutRequest),
  requestDeleteRange: nested(3, () => DeleteRangeRequest),
  requestTxn: nested(4, () => TxnRequest),
}) as Codec<RequestOp, RequestOpInit>;

export interface TxnRequest {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}
export interface TxnRequestInit {
  compare?: readonly InitOf<typeof Compare>[];
  success?: readonly RequestOpInit[];
  failure?: readonly RequestOpInit[];
}
export const TxnRequest: Codec<TxnRequest, TxnRequestInit> = message({
  compare: repeated(nested(1, () => Compare)),
  success: repeated(nested(2, () => RequestOp)),
  failure: repeated(nested(3, () => RequestOp)),
}) as Codec<TxnRequest, TxnRequestInit>;

/** Of the kind of the request in the same place. */
export interface ResponseOp {
  responseRange: RangeResponse | undefined;
  responsePut: PutResponse | undefined;
  responseDeleteRange: DeleteRangeResponse | undefined;
  responseTxn: TxnResponse | undefined;
}
export const ResponseOp: Codec<ResponseOp, Partial<ResponseOp>> = message({
  responseRange: nested(1, () => RangeResponse),
  responsePut: nested(2, () => PutResponse),
  responseDeleteRange: nested(3, () => DeleteRangeResponse),
  responseTxn: nested(4, () => TxnResponse),
}) as Codec<ResponseOp, Partial<ResponseOp>>;

export interface TxnResponse {
  header: ResponseHeader;
  /** The compares held: `success` was done. */
  succeeded: boolean;
  responses: ResponseOp[];
}
export interface TxnResponseInit {
  header?: Partial<ResponseHeader>;
  succeeded?: boolean;
  responses?: readonly Partial<ResponseOp>[];
}
export const TxnResponse: Codec<TxnResponse, TxnResponseInit> = message({
  header,
  succeeded: bool(2),
  responses: repeated(nested(3, () => ResponseOp)),
}) as Codec<TxnResponse, TxnResponseInit>;

export const CompactionRequest = message({ revision: int64(1), physical: bool(2) });
export const CompactionResponse = onlyHeader;

// ---- Watch

export const WatchFilter = { NOPUT: 0, NODELETE: 1 } as const;

export const WatchCreateRequest = message({
  key: bytes(1),
  rangeEnd: bytes(2),
  startRevision: int64(3),
  progressNotify: bool(4),
  filters: repeated(enumOf(5, WatchFilter)),
  prevKv: bool(6),
  watchId: int64(7),
  fragment: bool(8),
});
export type WatchCreateRequest = MessageOf<typeof WatchCreateRequest>;
export const WatchCancelRequest = message({ watchId: int64(1) });
export const WatchRequest = message({
  createRequest: nested(1, () => WatchCreateRequest),
  cancelRequest: nested(2, () => WatchCancelRequest),
  progressRequest: nested(3, () => empty),
});
export type WatchRequest = MessageOf<typeof WatchRequest>;

// ---- Lease

export const LeaseGrantRequest = message({ ttl: int64(1), id: id(2) });
export const LeaseGrantResponse = message({ header, id: id(2), ttl: int64(3), error: string(4) });
export const LeaseRevokeRequest = message({ id: id(1) });
export const LeaseRevokeResponse = onlyHeader;
export const LeaseKeepAliveRequest = message({ id: id(1) });
export const LeaseKeepAliveResponse = message({ header, id: id(2), ttl: int64(3) });
export const LeaseTimeToLiveRequest = message({ id: id(1), keys: bool(2) });
export const LeaseTimeToLiveResponse = message({
  header,
  id: id(2),
  ttl: int64(3),
  grantedTtl: int64(4),
  keys: repeated(bytes(5)),
});
export const LeaseLeasesRequest = empty;
export const LeaseLeasesResponse = message({ header, leases: repeated(nested(2, () => message({ id: id(1) }))) });

// ---- Cluster

export const Member = message({
  id: unsignedId(1),
  name: string(2),
  peerUrls: repeated(string(3)),
  clientUrls: repeated(string(4)),
  isLearner: bool(5),
});
export type Member = MessageOf<typeof Member>;
export const MemberListRequest = message({ linearizable: bool(1) });
export const MemberListResponse = message({ header, members: repeated(nested(2, () => Member)) });
export const MemberAddRequest = message({ peerUrls: repeated(string(1)), isLearner: bool(2) });
export const MemberAddResponse = message({
  header,
  member: nested(2, () => Member),
  members: repeated(nested(3, () => Member)),
});
export const MemberRemoveRequest = message({ id: unsignedId(1) });
export const MemberUpdateRequest = message({ id: unsignedId(1), peerUrls: repeated(string(2)) });
export const MemberPromoteRequest = message({ id: unsignedId(1) });

// ---- Maintenance

export const AlarmAction = { GET: 0, ACTIVATE: 1, DEACTIVATE: 2 } as const;
export const AlarmType = { NONE: 0, NOSPACE: 1, CORRUPT: 2 } as const;
export type AlarmType = (typeof AlarmType)[keyof typeof AlarmType];
const AlarmMember = message({ memberId: unsignedId(1), alarm: enumOf(2, AlarmType) });
export const AlarmRequest = message({
  action: enumOf(1, AlarmAction),
  memberId: unsignedId(2),
  alarm: enumOf(3, AlarmType),
});
export const AlarmResponse = message({ header, alarms: repeated(nested(2, () => AlarmMember)) });
export const StatusRequest = empty;
export const StatusResponse = message({
  header,
  version: string(2),
  dbSize: int64(3),
  leader: unsignedId(4),
  raftIndex: unsignedId(5),
  raftTerm: unsignedId(6),
  raftAppliedIndex: unsignedId(7),
  errors: repeated(string(8)),
  dbSizeInUse: int64(9),
  isLearner: bool(10),
});
export const DefragmentRequest = empty;
export const DefragmentResponse = onlyHeader;
export const HashRequest = empty;
export const HashResponse = message({ header, hash: uint32(2) });
export const HashKvRequest = message({ revision: int64(1) });
export const HashKvResponse = message({ header, hash: uint32(2), compactRevision: int64(3) });
export const SnapshotRequest = empty;
export const SnapshotResponse = message({ header, remainingBytes: int64(2), blob: bytes(3) });
export const MoveLeaderRequest = message({ targetId: unsignedId(1) });
export const MoveLeaderResponse = onlyHeader;
