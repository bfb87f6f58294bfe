/** Which directory is meant by `--data-dir`, `--from` and `--output`: a store's own, or a control plane's. */
import { resolve } from 'node:path';
import { OperatorError } from '#base/errors.ts';
import { type StoreLocation, storeLocation } from '#controlplane/store-location.ts';
import { newestOf } from '#store/snapshot/source.ts';

/** Where data can be read: as given, or of the control plane that lives there; of several members, the one furthest on. */
export function stoppedStore(path: string): string {
  const location = stopped(path);
  if (!location) return path;
  return location.kind === 'etcd' ? newestOf(location.memberDirectories, location.directory) : location.directory;
}

/** Where an embedded store is to be made. */
export function placeForStore(path: string): string {
  const location = stopped(path);
  if (location?.kind === 'etcd') {
    throw new OperatorError(
      `the control plane in ${path} has etcd for its store: make a file with evenkeel store migrate --to etcd-snapshot, and give it to etcdctl snapshot restore for each member`,
    );
  }
  return location?.directory ?? path;
}

function stopped(path: string): StoreLocation | undefined {
  const location = storeLocation(resolve(path));
  if (location?.isRunning) {
    throw new OperatorError(
      `a control plane runs in ${path}: stop it with evenkeel down, or work on a snapshot (evenkeel store snapshot save)`,
    );
  }
  return location;
}
