import { execFileSync } from 'node:child_process';
import { startOurEtcd, startRealEtcd } from './etcd-processes.ts';
import { etcdSuite } from './etcd-suite.ts';

function isEtcdInstalled(): boolean {
  try {
    execFileSync('/usr/bin/etcd', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const isMissing = !isEtcdInstalled();
if (isMissing && process.env['CI'] === 'true') throw new Error('real etcd is missing: install etcd-server');
etcdSuite('real etcd', startRealEtcd, {
  skip: isMissing && 'real etcd is not installed (Debian: etcd-server)',
});

etcdSuite('the embedded store', () => startOurEtcd());
