import { isRealEtcdInstalled, startOurEtcd, startRealEtcd } from './etcd-processes.ts';
import { etcdSuite } from './etcd-suite.ts';

etcdSuite('real etcd', () => startRealEtcd(), {
  skip: !isRealEtcdInstalled() && 'real etcd is not installed (Debian: etcd-server)',
});

etcdSuite('the embedded store', () => startOurEtcd());
