/** The messages of etcd's lock and election services (v3lockpb, v3electionpb). */
import { KeyValue, ResponseHeader } from './key-value.ts';
import { bytes, id, int64, type MessageOf, message, nested } from './wire.ts';

const header = nested(1, () => ResponseHeader);
const onlyHeader = message({ header });

/** `lease` 0: the server grants one. */
export const LockRequest = message({ name: bytes(1), lease: id(2) });
export const LockResponse = message({ header, key: bytes(2) });
export const UnlockRequest = message({ key: bytes(1) });
export const UnlockResponse = onlyHeader;

/** What a leader holds: its key, and the revision that made it. */
export const LeaderKey = message({ name: bytes(1), key: bytes(2), rev: int64(3), lease: id(4) });
export type LeaderKey = MessageOf<typeof LeaderKey>;
const leader = nested(2, () => LeaderKey);
export const CampaignRequest = message({ name: bytes(1), lease: id(2), value: bytes(3) });
export const CampaignResponse = message({ header, leader });
export const ProclaimRequest = message({ leader: nested(1, () => LeaderKey), value: bytes(2) });
export const ProclaimResponse = onlyHeader;
export const LeaderRequest = message({ name: bytes(1) });
export const LeaderResponse = message({ header, kv: nested(2, () => KeyValue) });
export const ResignRequest = message({ leader: nested(1, () => LeaderKey) });
export const ResignResponse = onlyHeader;
