import { FakeEtcd } from './fake-etcd.ts';
import { startBackend } from './fixtures.ts';
import { storageSuite } from './storage-suite.ts';

const etcd = new FakeEtcd();
storageSuite('storage over a fake etcd', async () => startBackend(etcd));
