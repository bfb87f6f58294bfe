/** Maintenance and Cluster: one member, its own leader. */
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { AlarmAction } from '#etcd/messages.ts';
import type { Cluster, Maintenance } from '#etcd/rpc.ts';
import type { Store } from '../store.ts';
import { errors } from '../store-error.ts';
import type { ServerStream } from './grpc-server.ts';
import { grpcError, type HeaderOf, type Unary } from './grpc-service.ts';
import { sendSnapshot } from './send-snapshot.ts';

/** The etcd whose API this is: clients switch features on it. */
export const etcdVersion = '3.5.21';

export interface MemberInfo {
  name: string;
  clientUrls: readonly string[];
  peerUrls: readonly string[];
}

type MaintenanceMethods = Omit<typeof Maintenance, 'snapshot'>;

export function maintenanceService(store: Store, headerOf: HeaderOf, clock: Clock, log: Logger) {
  const { database } = store;
  const header = () => headerOf(store.revision);
  const unary: { [K in keyof MaintenanceMethods]: Unary<MaintenanceMethods[K]> } = {
    async status() {
      await store.settled();
      const index = BigInt(store.revision) + BigInt(database.term);
      return {
        header: header(),
        version: etcdVersion,
        dbSize: database.sizeBytes(),
        dbSizeInUse: database.sizeInUseBytes(),
        leader: database.memberId,
        raftIndex: index,
        raftAppliedIndex: index,
        raftTerm: BigInt(database.term),
        errors: store.alarms.texts(),
      };
    },
    async defragment() {
      await store.exclusively(() => database.vacuum());
      return { header: header() };
    },
    hash: async () => ({ header: header(), hash: await store.hash(0) }),
    hashKv: async ({ revision }) => ({
      hash: await store.hash(revision),
      header: header(),
      compactRevision: store.compactRevision || -1,
    }),
    async alarm({ action, memberId, alarm }) {
      if (action === AlarmAction.ACTIVATE) {
        return { alarms: await store.alarmActivate(memberId, alarm), header: header() };
      }
      if (action === AlarmAction.DEACTIVATE) {
        return { alarms: await store.alarmDeactivate(memberId, alarm), header: header() };
      }
      await store.settled();
      return { header: header(), alarms: action === AlarmAction.GET ? store.alarms.list(alarm) : [] };
    },
    moveLeader({ targetId }) {
      if (targetId !== database.memberId) throw errors.badLeaderTransferee();
      return { header: header() };
    },
  };

  const snapshot = (stream: ServerStream<unknown, unknown>) => {
    sendSnapshot(store, stream, header, clock).then(
      () => stream.end(),
      (error: unknown) => stream.emit('error', grpcError(error, log)),
    );
  };
  return { ...unary, snapshot };
}

export function clusterService(
  store: Store,
  headerOf: HeaderOf,
  info: MemberInfo,
): { [K in keyof typeof Cluster]: Unary<(typeof Cluster)[K]> } {
  const oneOnly = () => {
    throw errors.singleMember();
  };
  const ofMember = ({ id }: { id: bigint }) => {
    if (id !== store.database.memberId) throw errors.memberNotFound();
    throw errors.singleMember();
  };
  return {
    memberList: () => ({
      // No revision, as in etcd: the members are none of the keys.
      header: headerOf(0),
      members: [
        {
          id: store.database.memberId,
          name: info.name,
          peerUrls: info.peerUrls,
          clientUrls: info.clientUrls,
          isLearner: false,
        },
      ],
    }),
    memberAdd: oneOnly,
    memberRemove: ofMember,
    memberUpdate: ofMember,
    memberPromote: ofMember,
  };
}
