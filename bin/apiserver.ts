/** `evenkeel apiserver` (kube-apiserver): an API server in front of any etcd. */
import { kubernetesVersion } from '#apiserver/discovery/version.ts';
import { apiServerFlags } from '#apiserver/flags.ts';
import { type ApiServerConfiguration, parseCommandLine } from '#apiserver/options.ts';
import { OperatorError } from '#base/errors.ts';
import { formatFlags } from '#base/flags.ts';
import { createLogger } from '#base/log.ts';
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
    { createEtcdClient },
    { kvOfClient },
    { withKeyPrefix },
    { withWriteEpoch },
    { createStorageBackend },
    { createScheme },
    { countStoreRequests },
    { watchCacheSizesByPrefix },
    { startApiServer },
  ] = await Promise.all([
    import('#etcd/client.ts'),
    import('#storage/etcd3/client-kv.ts'),
    import('#storage/etcd3/key-prefix.ts'),
    import('#storage/etcd3/write-epoch.ts'),
    import('#storage/cacher/backend.ts'),
    import('#apis/scheme.ts'),
    import('#apiserver/health/store-metrics.ts'),
    import('#apiserver/watch-cache-sizes.ts'),
    import('#apiserver/apiserver.ts'),
  ]);
  const { servers, caFile, certFile, keyFile, prefix } = options.etcd;
  const isTls = servers.some((s) => s.startsWith('https:'));
  const client = createEtcdClient({
    endpoints: servers,
    ...(isTls ? { tls: await etcdTls(caFile, certFile, keyFile) } : {}),
    clock: realClock,
    log,
  });
  const random = Math.random;
  const scheme = createScheme();
  const kv = withKeyPrefix(kvOfClient(client), prefix.replace(/\/+$/, ''));
  const store = countStoreRequests(withWriteEpoch(kv, realClock, writeEpochKey), realClock);
  const backend = createStorageBackend({
    client: store.kv,
    clock: realClock,
    log,
    random,
    watchCacheSizes: watchCacheSizesByPrefix(options.watchCache.sizes, scheme),
    defaultWatchCacheSize: options.watchCache.defaultSize,
    compactionIntervalMs: options.etcd.compactionIntervalMs,
  });
  const running = await startApiServer(options, {
    scheme,
    backend,
    storeMetrics: store.render,
    clock: realClock,
    random,
    log,
  });
  log.info({ addresses: running.server.addresses() }, 'serving');
  await running.run(signal);
  client.close();
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
