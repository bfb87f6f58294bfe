/**
 * Where the store of a control plane is: whom to ask while it runs (whom its API servers ask, with their certificate),
 * and which directory to read when it is stopped.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { OperatorError } from '#base/errors.ts';
import { isRunning } from '#os/process-identity.ts';
import { type DataDir, dataDirAt, readRunRecord, readState } from './data-dir.ts';
import { isEmpty, leftoversIn } from './leftovers.ts';
import type { StoreKind } from './store-spec.ts';

export interface StoreLocation {
  kind: StoreKind;
  /** Of the embedded store; of etcd the one that holds its members' directories. */
  directory: string;
  /** Those of the members that are there. */
  memberDirectories: string[];
  /** Something of it runs, and would start the store again. */
  isRunning: boolean;
  access(): { endpoints: string[]; caFile: string; certFile: string; keyFile: string };
}

/** Undefined: `path` is no control plane's directory. */
export function storeLocation(path: string): StoreLocation | undefined {
  const dir = dataDirAt(path);
  const spec = existsSync(path) ? readState(dir) : undefined;
  if (!spec) return undefined;
  const supervisor = readRunRecord(dir)?.supervisor;
  return {
    kind: spec.store.kind,
    directory: dir.store,
    memberDirectories: (existsSync(dir.store) ? readdirSync(dir.store) : [])
      .map((name) => join(dir.store, name))
      .filter((member) => existsSync(join(member, 'member', 'snap', 'db'))),
    isRunning: (supervisor !== undefined && isRunning(supervisor)) || !isEmpty(leftoversIn(dir)),
    access: () => accessIn(dir),
  };
}

function accessIn(dir: DataDir): ReturnType<StoreLocation['access']> {
  const manifests = join(dir.path, 'manifests');
  const file = readdirSync(manifests)
    .map((master) => join(manifests, master, 'kube-apiserver.yaml'))
    .find((manifest) => existsSync(manifest));
  if (!file)
    throw new OperatorError(
      `${manifests} has no API server: name the store with --endpoints, --cacert, --cert and --key`,
    );
  const { command, args = [] } = parse(readFileSync(file, 'utf8')).spec.containers[0];
  const flag = (name: string): string => {
    const prefix = `--${name}=`;
    return [...command, ...args].find((arg) => arg.startsWith(prefix))?.slice(prefix.length) ?? '';
  };
  return {
    endpoints: flag('etcd-servers').split(','),
    caFile: flag('etcd-cafile'),
    certFile: flag('etcd-certfile'),
    keyFile: flag('etcd-keyfile'),
  };
}
