/** All that a store of etcd's API shows of its past and present: to compare two of them. */
import assert from 'node:assert/strict';
import { silentLogger } from '#base/log.ts';
import { createEtcdClient, type EtcdClient, type KeyValue } from '#etcd/client.ts';
import type { Event } from '#etcd/key-value.ts';
import { realClock } from '#os/real-clock.ts';

/** From the first key to no end. */
const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };

export async function withClient<T>(endpoint: string, work: (client: EtcdClient) => Promise<T>): Promise<T> {
  const client = createEtcdClient({ endpoints: [endpoint], clock: realClock, log: silentLogger });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** The state at every revision that can be read, every event since, and the leases. */
export async function viewOf(endpoint: string) {
  return withClient(endpoint, async (client) => {
    const { header } = await client.range({ ...everything, countOnly: true });
    const { events, compactRevision } = await history(client, 1, header.revision);
    const states: Record<number, string[]> = {};
    for (let revision = Math.max(1, compactRevision); revision <= header.revision; revision++) {
      states[revision] = (await client.range({ ...everything, revision })).kvs.map(textOf);
    }
    const leases = [];
    for (const id of (await client.leaseLeases()).sort()) {
      const { grantedTtl, ttl, keys } = await client.leaseTimeToLive({ id, keys: true });
      assert.ok(ttl > 0 && ttl <= grantedTtl, `lease ${id} lives`);
      leases.push({ id, grantedTtl, keys: keys.map((key) => key.toString('hex')).sort() });
    }
    return { revision: header.revision, compactRevision, states, events, leases };
  });
}

/** Events from a revision on; where that is compacted, from the first that is left. */
function history(
  client: EtcdClient,
  startRevision: number,
  until: number,
): Promise<{ events: string[]; compactRevision: number }> {
  if (startRevision > until) return Promise.resolve({ events: [], compactRevision: startRevision - 1 });
  return new Promise((resolve, reject) => {
    const events: string[] = [];
    const add = (event: Event) => events.push(`${event.type} ${textOf(event.kv)}`);
    const tooLong = setTimeout(() => reject(new Error(`no end of the history at ${until}`)), 10_000);
    const done = (result: Promise<{ events: string[]; compactRevision: number }>) => {
      clearTimeout(tooLong);
      handle.cancel();
      resolve(result);
    };
    const handle = client.watch(
      { ...everything, startRevision },
      {
        events(some) {
          for (const event of some) add(event);
          if (some.at(-1)!.kv.modRevision >= until)
            done(Promise.resolve({ events, compactRevision: startRevision === 1 ? 0 : startRevision - 1 }));
        },
        progress() {},
        compacted: (revision) => done(history(client, revision + 1, until)),
        closed: reject,
      },
    );
  });
}

function textOf({ key, value, createRevision, modRevision, version, lease }: KeyValue): string {
  const shown = value.length > 40 ? `${value.length} bytes of ${value.toString('hex', 0, 8)}` : value.toString('hex');
  return `${key.toString('hex')}=${shown} created ${createRevision} modified ${modRevision} v${version} lease ${lease}`;
}
