/**
 * The processes of the store, each kept running by `up`. A member of etcd that lost its data is taken out of the
 * cluster and joins it anew: beginning again under its old name it would vote about what it no longer knows.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { OperatorError } from '#base/errors.ts';
import type { DataDir } from './data-dir.ts';
import type { HostProcess } from './host-process.ts';
import type { Program } from './manifests.ts';
import { rejoin } from './rejoin.ts';
import type { ControlPlaneSpec } from './spec.ts';
import { clientUrl, type EtcdStoreSpec, majorityOf, peerUrl, type StoreMember, type StoreSpec } from './store-spec.ts';

export interface StoreProcess {
  name: string;
  command(): readonly string[];
  env?: NodeJS.ProcessEnv;
  stopTimeoutMs: number;
  /** Before every start; when it throws, the start is put off. */
  prepare?(): Promise<void>;
}

const stopTimeoutMs = 10_000;

export function storeProcesses(
  dir: DataDir,
  spec: ControlPlaneSpec,
  program: Program,
  environment: { clock: Clock; notice(text: string): void },
  start: (process: StoreProcess) => HostProcess,
): HostProcess[] {
  const { store } = spec;
  if (store.kind === 'embedded') {
    const command = embeddedCommand(dir, store.members[0], program);
    return [start({ name: 'etcd', command: () => command, stopTimeoutMs })];
  }
  const etcd = findEtcd(process.env);
  return store.members.map((member) =>
    start({
      name: member.name,
      command: () => [etcd, ...memberFlags(dir, store, member)],
      env: withoutEtcdSettings(process.env),
      stopTimeoutMs,
      async prepare() {
        if (!store.isBootstrapped || hasData(dir, member)) return;
        await rejoin(dir, store, member, environment.clock);
        environment.notice(`${member.name} has lost its data: it was taken out of the cluster and joins it anew`);
      },
    }),
  );
}

/** Debian's package is called etcd-server. */
export function findEtcd(environment: NodeJS.ProcessEnv): string {
  for (const directory of (environment['PATH'] ?? '').split(delimiter)) {
    const file = join(directory || '.', 'etcd');
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // In one of the others, perhaps.
    }
  }
  throw new OperatorError(
    '--store etcd runs etcd, which is not on the PATH: apt-get install etcd-server, or leave out --store for the embedded store',
  );
}

/** Where a majority has lost its data there is nobody left to join. */
export function assertMajorityKeepsData(dir: DataDir, store: StoreSpec): void {
  if (store.kind === 'embedded' || !store.isBootstrapped) return;
  const lost = store.members.filter((member) => !hasData(dir, member)).map((m) => m.name);
  if (store.members.length - lost.length >= majorityOf(store.members.length)) return;
  throw new OperatorError(
    `${lost.join(' and ')} of ${store.members.length} members of etcd ${lost.length === 1 ? 'has' : 'have'} lost the data in ${dir.store}, the rest is no majority: put it back, or begin anew in another --data-dir`,
  );
}

function hasData(dir: DataDir, member: StoreMember): boolean {
  return existsSync(join(dir.store, member.name, 'member', 'wal'));
}

function embeddedCommand(dir: DataDir, member: StoreMember, program: Program): string[] {
  const url = clientUrl(member);
  return [
    ...program,
    'etcd',
    '--name=default',
    `--data-dir=${dir.store}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--cert-file=${join(dir.pki, 'etcd/server.crt')}`,
    `--key-file=${join(dir.pki, 'etcd/server.key')}`,
    `--trusted-ca-file=${join(dir.pki, 'etcd/ca.crt')}`,
    '--client-cert-auth=true',
  ];
}

function memberFlags(dir: DataDir, store: EtcdStoreSpec, member: StoreMember): string[] {
  const pki = (file: string) => join(dir.pki, 'etcd', file);
  return [
    `--name=${member.name}`,
    `--data-dir=${join(dir.store, member.name)}`,
    `--listen-client-urls=${clientUrl(member)}`,
    `--advertise-client-urls=${clientUrl(member)}`,
    `--listen-peer-urls=${peerUrl(member)}`,
    `--initial-advertise-peer-urls=${peerUrl(member)}`,
    `--initial-cluster=${store.members.map((m) => `${m.name}=${peerUrl(m)}`).join()}`,
    // Read only by a member without data.
    `--initial-cluster-state=${store.isBootstrapped ? 'existing' : 'new'}`,
    `--heartbeat-interval=${store.heartbeatIntervalMs}`,
    `--election-timeout=${store.electionTimeoutMs}`,
    `--cert-file=${pki(`${member.name}/server.crt`)}`,
    `--key-file=${pki(`${member.name}/server.key`)}`,
    `--trusted-ca-file=${pki('ca.crt')}`,
    '--client-cert-auth=true',
    `--peer-cert-file=${pki(`${member.name}/peer.crt`)}`,
    `--peer-key-file=${pki(`${member.name}/peer.key`)}`,
    `--peer-trusted-ca-file=${pki('ca.crt')}`,
    '--peer-client-cert-auth=true',
    '--logger=zap',
  ];
}

/** etcd ends when a setting comes by flag and environment; only its leave to run on this architecture is passed on. */
function withoutEtcdSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(
    ([name]) => !name.startsWith('ETCD_') || name === 'ETCD_UNSUPPORTED_ARCH',
  );
  return Object.fromEntries(kept);
}
