/** What `up`, `down` and `status` share: the data directory's flag, this program's own command, a client. */

import { realpathSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { resolve } from 'node:path';
import { type FlagSpec, type ParsedFlags, UsageError } from '#base/flags.ts';
import { silentLogger } from '#base/log.ts';
import type { ApiClient } from '#client/client.ts';
import { defaultDataDir } from '#controlplane/data-dir.ts';
import type { Program } from '#controlplane/manifests.ts';
import { realClock } from '#os/real-clock.ts';

export const dataDirFlag: FlagSpec = {
  name: 'data-dir',
  kind: 'string',
  description: 'where data, keys, manifests and logs live',
  default: defaultDataDir(process.env, homedir() || userInfo().homedir),
};

/** As an absolute path: keys and manifests are named by it, also to processes that start elsewhere. */
export function dataDirOf(parsed: ParsedFlags): string {
  const path = parsed.string('data-dir');
  if (parsed.has('data-dir') && path === '') throw new UsageError('--data-dir is empty: give a directory');
  return resolve(path);
}

/**
 * A small young generation: the processes of a control plane mostly wait, and each would otherwise keep tens of
 * megabytes of it. In megabytes; what it costs in throughput is measured by `npm run bench`.
 */
const memoryFlags = ['--max-semi-space-size=1'];

/** How to start another process of ours. */
export const program: Program = [process.execPath, ...memoryFlags, realpathSync(process.argv[1]!)];

export async function connect(kubeconfig: string): Promise<ApiClient> {
  const [{ loadKubeconfig }, { createClient }] = await Promise.all([
    import('#client/kubeconfig.ts'),
    import('#client/rest.ts'),
  ]);
  return createClient(await loadKubeconfig(kubeconfig, realClock), {
    clock: realClock,
    log: silentLogger,
    userAgent: 'evenkeel',
  });
}
