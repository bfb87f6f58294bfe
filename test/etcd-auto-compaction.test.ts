/** The flags of automatic compaction, over real etcd and over ours; its arithmetic is tested beside the source. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { createEtcdClient } from '#etcd/client.ts';
import { Code, EtcdError } from '#etcd/etcd-error.ts';
import { realClock } from '#os/real-clock.ts';
import { isRealEtcdInstalled, startOurEtcd, startRealEtcd } from './etcd-processes.ts';
import { type RunningEtcd, text } from './etcd-suite.ts';

const servers: [string, (flags: string[]) => Promise<RunningEtcd>, string | false][] = [
  ['real etcd', startRealEtcd, !isRealEtcdInstalled() && 'real etcd is not installed (Debian: etcd-server)'],
  ['the embedded store', startOurEtcd, false],
];

for (const [name, start, skip] of servers) {
  test(`auto-compaction: ${name}: periodic: old history goes, the state stays`, { skip }, async (t) => {
    const etcd = await start(['--auto-compaction-mode=periodic', '--auto-compaction-retention=1s']);
    t.after(() => etcd.stop());
    const client = createEtcdClient({ endpoints: [etcd.endpoint], clock: realClock, log: silentLogger });
    t.after(() => client.close());
    const key = text('a');
    const first = (await client.put({ key, value: text('0') })).header!.revision;
    const isCompacted = async () => {
      try {
        await client.range({ key, revision: first });
        return false;
      } catch (error) {
        assert.ok(error instanceof EtcdError && error.code === Code.OUT_OF_RANGE, String(error));
        return true;
      }
    };
    const until = Date.now() + 20_000;
    let last = 0;
    while (!(await isCompacted())) {
      assert.ok(Date.now() < until, 'nothing was compacted');
      last = (await client.put({ key, value: text(String(++last)) })).header!.revision - first;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal((await client.range({ key })).kvs[0]!.version, last + 1);
  });
}
