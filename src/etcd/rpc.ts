/** etcd's v3 services as data: where a method lives and what it carries. Client and server are made from it. */
import * as auth from './auth-messages.ts';
import * as c from './concurrency-messages.ts';
import * as h from './health-messages.ts';
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

/** `path`: `Service/Method`, of etcdserverpb unless it names its package. */
const method = <Req, ReqInit, Res, ResInit>(
  path: string,
  request: Codec<Req, ReqInit>,
  response: Codec<Res, ResInit>,
  stream: { requestStream?: boolean; responseStream?: boolean } = {},
): Method<Req, ReqInit, Res, ResInit> => ({
  path: path.includes('.') ? `/${path}` : `/etcdserverpb.${path}`,
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

const authMethod = (name: string) => method(`Auth/${name}`, auth.AuthRequest, auth.AuthResponse);

export const Auth = {
  authEnable: authMethod('AuthEnable'),
  authDisable: authMethod('AuthDisable'),
  authStatus: method('Auth/AuthStatus', auth.AuthRequest, auth.AuthStatusResponse),
  authenticate: authMethod('Authenticate'),
  userAdd: authMethod('UserAdd'),
  userGet: authMethod('UserGet'),
  userList: method('Auth/UserList', auth.AuthRequest, auth.UserListResponse),
  userDelete: authMethod('UserDelete'),
  userChangePassword: authMethod('UserChangePassword'),
  userGrantRole: authMethod('UserGrantRole'),
  userRevokeRole: authMethod('UserRevokeRole'),
  roleAdd: authMethod('RoleAdd'),
  roleGet: authMethod('RoleGet'),
  roleList: method('Auth/RoleList', auth.AuthRequest, auth.RoleListResponse),
  roleDelete: authMethod('RoleDelete'),
  roleGrantPermission: authMethod('RoleGrantPermission'),
  roleRevokePermission: authMethod('RoleRevokePermission'),
};

export const Lock = {
  lock: method('v3lockpb.Lock/Lock', c.LockRequest, c.LockResponse),
  unlock: method('v3lockpb.Lock/Unlock', c.UnlockRequest, c.UnlockResponse),
};

export const Election = {
  campaign: method('v3electionpb.Election/Campaign', c.CampaignRequest, c.CampaignResponse),
  proclaim: method('v3electionpb.Election/Proclaim', c.ProclaimRequest, c.ProclaimResponse),
  leader: method('v3electionpb.Election/Leader', c.LeaderRequest, c.LeaderResponse),
  observe: method('v3electionpb.Election/Observe', c.LeaderRequest, c.LeaderResponse, { responseStream: true }),
  resign: method('v3electionpb.Election/Resign', c.ResignRequest, c.ResignResponse),
};

export const Health = {
  check: method('grpc.health.v1.Health/Check', h.HealthCheckRequest, h.HealthCheckResponse),
  watch: method('grpc.health.v1.Health/Watch', h.HealthCheckRequest, h.HealthCheckResponse, { responseStream: true }),
};
