import type { Scheme } from '#apis/scheme.ts';
import { UsageError } from '#base/flags.ts';

/** --watch-cache-sizes by storage prefix: `secrets`, `deployments.apps`. A resource that is not stored is refused. */
export function watchCacheSizesByPrefix(sizes: ReadonlyMap<string, number>, scheme: Scheme): Map<string, number> {
  const prefixes = new Map<string, string>();
  for (const { group, resource, storagePrefix } of scheme.resources())
    if (storagePrefix) prefixes.set(group === '' ? resource : `${resource}.${group}`, storagePrefix);
  const byPrefix = new Map<string, number>();
  for (const [name, size] of sizes) {
    const prefix = prefixes.get(name);
    if (!prefix)
      throw new UsageError(
        `--watch-cache-sizes: no such resource: ${name}; give resource=size for the core group, resource.group=size otherwise`,
      );
    byPrefix.set(prefix, size);
  }
  return byPrefix;
}
