/** etcd's v3 services as data: where a method lives and what it carries. Client and server are made from it. */
import { RangeResponse, WatchResponse } from './key-value.ts';
import * as m from './messages.ts';
import type { Codec } from './wire.ts';

export interface Method<Req = any, ReqInit = any, Res = any, ResInit = any> {
  path: string;
  request: Codec<Req, ReqInit>;
  response: Codec<Res, ResInit>;
  requestStream: boolean;
  responseStream: boolean;
}

const method = <Req, ReqInit, Res, ResInit>(
  path: string,
  request: Codec<Req, ReqInit>,
  response: Codec<Res, ResInit>,
  stream: { requestStream?: boolean; responseStream?: boolean } = {},
): Method<Req, ReqInit, Res, ResInit> => ({
  path: `/etcdserverpb.${path}`,
  request,
  response,
  requestStream: stream.requestStream ?? false,
  responseStream: stream.responseStream ?? false,
});
const bidirectional = { requestStream: true, responseStream: true };

export const KV = {
  range: method('KV/Range', m.RangeRequest, RangeResponse),
  put: method('KV/Put', m.PutRequest, m.PutResponse),
  deleteRange: method('KV/DeleteRange', m.DeleteRangeRequest, m.DeleteRangeResponse),
  txn: method('KV/Txn', m.TxnRequest, m.TxnResponse),
  compact: method('KV/Compact', m.CompactionRequest, m.CompactionResponse),
};

export const Watch = { watch: method('Watch/Watch', m.WatchRequest, WatchResponse, bidirectional) };

export const Lease = {
  grant: method('Lease/LeaseGrant', m.LeaseGrantRequest, m.LeaseGrantResponse),
  revoke: method('Lease/LeaseRevoke', m.LeaseRevokeRequest, m.LeaseRevokeResponse),
  keepAlive: method('Lease/LeaseKeepAlive', m.LeaseKeepAliveRequest, m.LeaseKeepAliveResponse, bidirectional),
  timeToLive: method('Lease/LeaseTimeToLive', m.LeaseTimeToLiveRequest, m.LeaseTimeToLiveResponse),
  leases: method('Lease/LeaseLeases', m.LeaseLeasesRequest, m.LeaseLeasesResponse),
};

export const Cluster = {
  memberAdd: method('Cluster/MemberAdd', m.MemberAddRequest, m.MemberAddResponse),
  memberRemove: method('Cluster/MemberRemove', m.MemberRemoveRequest, m.MemberListResponse),
  memberUpdate: method('Cluster/MemberUpdate', m.MemberUpdateRequest, m.MemberListResponse),
  memberList: method('Cluster/MemberList', m.MemberListRequest, m.MemberListResponse),
  memberPromote: method('Cluster/MemberPromote', m.MemberPromoteRequest, m.MemberListResponse),
};

export const Maintenance = {
  alarm: method('Maintenance/Alarm', m.AlarmRequest, m.AlarmResponse),
  status: method('Maintenance/Status', m.StatusRequest, m.StatusResponse),
  defragment: method('Maintenance/Defragment', m.DefragmentRequest, m.DefragmentResponse),
  hash: method('Maintenance/Hash', m.HashRequest, m.HashResponse),
  hashKv: method('Maintenance/HashKV', m.HashKvRequest, m.HashKvResponse),
  snapshot: method('Maintenance/Snapshot', m.SnapshotRequest, m.SnapshotResponse, { responseStream: true }),
  moveLeader: method('Maintenance/MoveLeader', m.MoveLeaderRequest, m.MoveLeaderResponse),
};
