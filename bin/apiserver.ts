/** `evenkeel apiserver` (kube-apiserver): an API server in front of any etcd. */
import { kubernetesVersion } from '#apiserver/discovery/version.ts';
import { apiServerFlags } from '#apiserver/flags.ts';
import { type ApiServerConfiguration, parseCommandLine } from '#apiserver/options.ts';
import { OperatorError } from '#base/errors.ts';
import { formatFlags } from '#base/flags.ts';
import { createLogger, type Logger } from '#base/log.ts';
import { realClock } from '#os/real-clock.ts';
import { runProcess } from './process.ts';

export { apiServerFlags as flags } from '#apiserver/flags.ts';

export function main(argv: string[], name: string): Promise<never> {
  return runProcess(name, async (signal) => {
    const parsed = await parseCommandLine(argv);
    if (parsed.action === 'help') return void process.stdout.write(usage(name));
    if (parsed.action === 'version') return void process.stdout.write(`Kubernetes ${kubernetesVersion}\n`);
    await serve(parsed.options, parsed.warnings, signal);
  });
}

async function serve(options: ApiServerConfiguration, warnings: string[], signal: AbortSignal): Promise<void> {
  const log = createLogger('apiserver', options.isVerbose ? 'debug' : 'info');
  for (const warning of warnings) log.warn({}, warning);
  const [
    { kvOfClient },
    { withKeyPrefix },
    { withWriteEpoch },
    { readHeader },
    { createStorageBackend },
    { createScheme },
    { countStoreRequests },
    { watchCacheSizesByPrefix },
    { startApiServer },
    { members, reads },
  ] = await Promise.all([
    import('#storage/etcd3/client-kv.ts'),
    import('#storage/etcd3/key-prefix.ts'),
    import('#storage/etcd3/write-epoch.ts'),
    import('#storage/cacher/current-revision.ts'),
    import('#storage/cacher/backend.ts'),
    import('#apis/scheme.ts'),
    import('#apiserver/health/store-metrics.ts'),
    import('#apiserver/watch-cache-sizes.ts'),
    import('#apiserver/apiserver.ts'),
    etcdClients(options.etcd, log),
  ]);
  const random = Math.random;
  const scheme = createScheme();
  const direct = kvOfClient(members, reads);
  // The gRPC proxy does not pass requests for progress on, whatever the version of the members behind it.
  const reachable = reads === members ? direct : { ...direct, version: async () => 'a proxy' };
  const kv = withKeyPrefix(reachable, options.etcd.prefix.replace(/\/+$/, ''));
  const store = countStoreRequests(withWriteEpoch(kv, realClock, writeEpochKey), realClock, scheme);
  const backend = createStorageBackend({
    client: store.kv,
    clock: realClock,
    log,
    random,
    watchCacheSizes: watchCacheSizesByPrefix(options.watchCache.sizes, scheme),
    defaultWatchCacheSize: options.watchCache.defaultSize,
    compactionIntervalMs: options.etcd.compactionIntervalMs,
    consistencyCheckIntervalMs: options.watchCache.consistencyCheckIntervalMs,
  });
  const pingMembers = (signal: AbortSignal) => readHeader(kvOfClient(members), '/registry/', signal);
  const running = await startApiServer(options, {
    scheme,
    backend:
      reads === members
        ? backend
        : { ...backend, ping: (signal) => Promise.all([backend.ping(signal), pingMembers(signal)]).then(() => {}) },
    storeMetrics: store.render,
    clock: realClock,
    random,
    log,
  });
  log.info({ addresses: running.server.addresses() }, 'serving');
  await running.run(signal);
  members.close();
  if (reads !== members) reads.close();
}

/** Of the members, and of what stands before them for reads; the same one when nothing does. */
async function etcdClients(etcd: ApiServerConfiguration['etcd'], log: Logger) {
  const { servers, readServers, caFile, certFile, keyFile } = etcd;
  const { createEtcdClient } = await import('#etcd/client.ts');
  const isTls = [...servers, ...readServers].some((s) => s.startsWith('https:'));
  const common = { ...(isTls ? { tls: await etcdTls(caFile, certFile, keyFile) } : {}), clock: realClock, log };
  const members = createEtcdClient({ ...common, endpoints: servers });
  if (readServers.length === 0) return { members, reads: members };
  const reads = createEtcdClient({
    ...common,
    log: log.child({ client: 'reads' }),
    endpoints: readServers,
    fallbackEndpoints: servers,
  });
  return { members, reads };
}

/** Among the other keys, though not a resource's. */
const writeEpochKey = '/registry/evenkeel.dev/write-epoch';

async function etcdTls(caFile: string, certFile: string, keyFile: string): Promise<ClientTls> {
  if (caFile === '') throw new OperatorError('--etcd-cafile is missing: give the authority of the https etcd servers');
  if ((certFile === '') !== (keyFile === ''))
    throw new OperatorError('--etcd-certfile and --etcd-keyfile belong together: give both or neither');
  const { readAuthorities, readClientPair } = await import('#apiserver/serving/server-files.ts');
  const ca = Buffer.from(readAuthorities('etcd-cafile', caFile));
  if (certFile === '') return { ca };
  const { cert, key } = readClientPair('etcd-certfile', certFile, 'etcd-keyfile', keyFile, realClock);
  return { ca, cert: Buffer.from(cert), key: Buffer.from(key) };
}

interface ClientTls {
  ca: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

function usage(name: string): string {
  return `The API server: serves the Kubernetes API in front of an etcd cluster.
Any number of them may run at once.

Usage:
  ${name} --etcd-servers URL[,URL…] [flags]

Examples:
  ${name} --etcd-servers http://127.0.0.1:2379 --cert-dir /tmp/certs \\
    --token-auth-file tokens.csv --authorization-mode Node,RBAC
  ${name} --etcd-servers https://10.0.0.1:2379,https://10.0.0.2:2379 \\
    --etcd-cafile ca.crt --etcd-certfile etcd.crt --etcd-keyfile etcd.key

All flags of kube-apiserver are accepted; these have an effect:
${formatFlags(apiServerFlags())}
`;
}
