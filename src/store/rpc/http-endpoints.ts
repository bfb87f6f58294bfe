import type { RequestListener } from 'node:http';
import { AlarmType } from '#etcd/messages.ts';
import type { Store } from '../store.ts';
import { etcdVersion } from './maintenance-service.ts';

/** What etcd answers over plain HTTP. */
export function httpEndpoints(store: Store): RequestListener {
  return (request, response) => {
    const send = (status: number, type: string, body: string) => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(body);
    };
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') send(405, 'text/plain', 'Method Not Allowed\n');
    else if (path === '/health') {
      const reason = unhealthyReason(store);
      const body = { health: String(reason === ''), reason };
      send(reason === '' ? 200 : 503, 'application/json', JSON.stringify(body));
    } else if (path === '/readyz' || path === '/livez') send(200, 'text/plain', 'ok\n');
    else if (path === '/version') {
      send(200, 'application/json', JSON.stringify({ etcdserver: etcdVersion, etcdcluster: '3.5.0' }));
    } else if (path === '/metrics') send(200, 'text/plain; version=0.0.4', metrics(store));
    else send(404, 'text/plain', '404 page not found\n');
  };
}

/** etcd's words for an alarm, ours for a disk. */
function unhealthyReason(store: Store): string {
  if (store.isDiskShort) return 'the disk is nearly full: writes are refused until there is room';
  const [alarm] = store.alarms.list(AlarmType.NONE);
  return alarm ? `ALARM ${alarm.alarm === AlarmType.NOSPACE ? 'NOSPACE' : 'CORRUPT'}` : '';
}

function metrics(store: Store): string {
  const rows: [string, 'gauge' | 'counter', string, number][] = [
    ['etcd_server_has_leader', 'gauge', 'Whether there is a leader.', 1],
    ['etcd_server_is_leader', 'gauge', 'Whether this member leads.', 1],
    ['etcd_debugging_mvcc_current_revision', 'gauge', 'The revision of the store.', store.revision],
    ['etcd_debugging_mvcc_compact_revision', 'gauge', 'The revision compacted last.', store.compactRevision],
    ['etcd_debugging_mvcc_keys_total', 'gauge', 'Keys, deleted ones with history included.', store.keyCount],
    ['etcd_debugging_mvcc_watcher_total', 'gauge', 'Watches.', store.watches.watcherCount],
    ['etcd_mvcc_db_total_size_in_bytes', 'gauge', 'Size of the database file.', store.database.sizeBytes()],
    ['etcd_mvcc_db_total_size_in_use_in_bytes', 'gauge', 'Of which in use.', store.database.sizeInUseBytes()],
    ['etcd_disk_backend_commits_total', 'counter', 'Commits synced to the disk.', store.commits],
    ['process_resident_memory_bytes', 'gauge', 'Resident memory.', process.memoryUsage.rss()],
  ];
  return rows
    .map(([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`)
    .join('');
}
