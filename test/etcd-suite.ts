/** What any server of etcd's v3 API must do, as an etcd client sees it: run over real etcd and over our store. */
import { after, before, describe } from 'node:test';
import { silentLogger } from '#base/log.ts';
import { createEtcdClient, type EtcdClient } from '#etcd/client.ts';
import { realClock } from '#os/real-clock.ts';
import { RawEtcd } from './etcd-raw.ts';
import { badInputSuite } from './etcd-suite-bad-input.ts';
import { concurrencySuite } from './etcd-suite-concurrency.ts';
import { kvSuite } from './etcd-suite-kv.ts';
import { leaseSuite } from './etcd-suite-lease.ts';
import { maintenanceSuite } from './etcd-suite-maintenance.ts';
import { txnSuite } from './etcd-suite-txn.ts';
import { watchSuite } from './etcd-suite-watch.ts';

export interface RunningEtcd {
  /** `http://host:port` */
  endpoint: string;
  stop(): Promise<void>;
}

export interface EtcdSuiteContext {
  client: EtcdClient;
  raw: RawEtcd;
  /** A prefix nobody else uses: the tests share one server. */
  prefix(): string;
}

export function etcdSuite(
  name: string,
  start: () => Promise<RunningEtcd>,
  options: { skip?: string | false } = {},
): void {
  describe(`etcd: ${name}`, { skip: options.skip ?? false }, () => {
    let running: RunningEtcd;
    let prefixes = 0;
    const context = {
      client: undefined as unknown as EtcdClient,
      raw: undefined as unknown as RawEtcd,
      prefix: () => `/suite/${++prefixes}/`,
    };
    before(async () => {
      running = await start();
      context.client = createEtcdClient({ endpoints: [running.endpoint], clock: realClock, log: silentLogger });
      context.raw = new RawEtcd(running.endpoint);
    });
    after(async () => {
      context.client?.close();
      context.raw?.close();
      await running?.stop();
    });
    kvSuite(context);
    txnSuite(context);
    watchSuite(context);
    leaseSuite(context);
    maintenanceSuite(context);
    concurrencySuite(context);
    badInputSuite(context);
  });
}

export const text = (value: string): Buffer => Buffer.from(value);

/** The end of the range of all keys that start with this. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]!++;
  return end;
}

/** Asserts on `assert.rejects`: gRPC's code and etcd's words. */
export const etcdFailure = (code: number, message: string | RegExp) => (error: any) => {
  const isMatch = typeof message === 'string' ? error.message === message : message.test(error.message);
  if (error.code !== code || !isMatch) throw error;
  return true;
};
