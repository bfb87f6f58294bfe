import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { messageOf, OperatorError } from '#base/errors.ts';
import { silentLogger } from '#base/log.ts';
import type { DataDir } from './data-dir.ts';
import { clientUrl, type EtcdStoreSpec, peerUrl, type StoreMember } from './store-spec.ts';

const requestTimeoutMs = 10_000;

/**
 * Replaces a member by one without data, at the same address. Rejects while the others have no quorum; what was done
 * of it by then is not done twice.
 */
export async function rejoin(dir: DataDir, store: EtcdStoreSpec, member: StoreMember, clock: Clock): Promise<void> {
  const others = store.members.filter((m) => m !== member);
  if (others.length === 0) throw new OperatorError('its data is lost, and there is no other member that has it');
  // Rarely needed, and too large to have it in `up` always.
  const { createEtcdClient } = await import('#etcd/client.ts');
  const file = (name: string) => readFileSync(join(dir.pki, name));
  const client = createEtcdClient({
    endpoints: others.map(clientUrl),
    tls: {
      ca: file('etcd/ca.crt'),
      cert: file('etcd/healthcheck-client.crt'),
      key: file('etcd/healthcheck-client.key'),
    },
    clock,
    log: silentLogger,
    requestTimeoutMs,
  });
  try {
    const { members } = await client.memberList();
    const own = members.find((m) => m.peerUrls.includes(peerUrl(member)));
    // One that never started has no name: it was added by an earlier try.
    if (own && own.name === '') return;
    if (own) await client.memberRemove(own.id);
    await client.memberAdd([peerUrl(member)]);
  } catch (cause) {
    throw new OperatorError(`its data is lost, and the others cannot let it join: ${messageOf(cause)}`, { cause });
  } finally {
    client.close();
  }
}
