/** `evenkeel store snapshot save`: of a server that runs, or of the directory of one that does not. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf, OperatorError } from '#base/errors.ts';
import { type FlagSpec, formatFlags, type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { silentLogger } from '#base/log.ts';
import { humanBytes } from '#cli/human-bytes.ts';
import { storeLocation } from '#controlplane/store-location.ts';
import { createEtcdClient, type EtcdClient } from '#etcd/client.ts';
import { EtcdError } from '#etcd/etcd-error.ts';
import { realClock } from '#os/real-clock.ts';
import type { Pace } from '#store/snapshot/contents.ts';
import { saveFromDirectory, saveFromServer } from '#store/snapshot/save.ts';
import { openSnapshot } from '#store/snapshot/snapshot-file.ts';
import { dataDirFlag, dataDirOf } from './local.ts';
import { stoppedStore } from './store-place.ts';
import { isJson, onlyArgument, outputFlag, warnOfTheLog, withProgress } from './store-transfer.ts';

export const about = 'copy a store into a file, while it runs or while it is stopped';

export const flags: readonly FlagSpec[] = [
  { ...dataDirFlag, description: 'of a control plane, of an embedded store, or of an etcd member' },
  { name: 'endpoints', kind: 'strings', description: 'servers to take it from, instead of a directory' },
  { name: 'cacert', kind: 'string', description: 'CA of the servers' },
  { name: 'cert', kind: 'string', description: 'client certificate' },
  { name: 'key', kind: 'string', description: 'its private key' },
  outputFlag,
];

export async function run(argv: string[], name: string, signal: AbortSignal): Promise<void> {
  const parsed = parseFlags(flags, argv);
  if (parsed.help) return void process.stdout.write(usage(name));
  const file = onlyArgument(parsed, 'the FILE to write');
  const asJson = isJson(parsed);
  const { result, seconds } = await withProgress('saved', signal, (pace) => save(name, parsed, file, signal, pace));
  const outcome = { file, ...result, seconds };
  const text = `saved ${file}: revision ${result.revision}, ${humanBytes(result.sizeBytes)}, in ${seconds.toFixed(1)} s`;
  process.stdout.write(`${asJson ? JSON.stringify(outcome, null, 2) : text}\n`);
}

async function save(name: string, parsed: ParsedFlags, file: string, signal: AbortSignal, pace: Pace) {
  const server = serverOf(parsed);
  if (server) await fromServer(server, file, signal, pace);
  else {
    const directory = stoppedStore(dataDirOf(parsed));
    await saveFromDirectory(directory, file, pace);
    warnOfTheLog(name, directory);
  }
  // Its hash was just made, or checked on its way.
  const contents = await openSnapshot(file, { skipHashCheck: true, pace });
  contents.close();
  return { format: contents.kind, revision: contents.revision, sizeBytes: contents.sizeBytes };
}

interface ServerAddress {
  endpoints: string[];
  tls?: { ca: Buffer; cert?: Buffer; key?: Buffer };
}

/** Undefined: nothing runs, the files are there to be read. */
function serverOf(parsed: ParsedFlags): ServerAddress | undefined {
  if (parsed.has('endpoints')) {
    if (parsed.has('data-dir')) throw new UsageError('give --endpoints or --data-dir, not both');
    return namedServer(parsed);
  }
  if (['cacert', 'cert', 'key'].some(parsed.has)) throw new UsageError('--cacert, --cert and --key need --endpoints');
  const location = storeLocation(dataDirOf(parsed));
  if (!location?.isRunning) return undefined;
  const { endpoints, caFile, certFile, keyFile } = location.access();
  return { endpoints, tls: { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) } };
}

function namedServer(parsed: ParsedFlags): ServerAddress {
  const [ca, cert, key] = ['cacert', 'cert', 'key'].map(parsed.string);
  if (Boolean(cert) !== Boolean(key)) throw new UsageError('--cert and --key go together');
  const scheme = ca ? 'https' : 'http';
  const endpoints = parsed.strings('endpoints').map((e) => (e.includes('://') ? e : `${scheme}://${e}`));
  if (endpoints.length === 0) throw new UsageError('--endpoints is empty: give host:port');
  for (const endpoint of endpoints) {
    if (!/^https?:\/\/[^/]+:\d+$/.test(endpoint)) throw new UsageError(`--endpoints: not host:port: ${endpoint}`);
    if (endpoint.startsWith('https:') && !ca) throw new UsageError(`${endpoint} needs --cacert`);
  }
  if (!ca) return { endpoints };
  return {
    endpoints,
    tls: { ca: readFileSync(ca), ...(cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : {}) },
  };
}

async function fromServer(server: ServerAddress, file: string, signal: AbortSignal, pace: Pace): Promise<void> {
  const client: EtcdClient = createEtcdClient({ ...server, clock: realClock, log: silentLogger });
  try {
    await saveFromServer(client, resolve(file), { clock: realClock, signal, pace });
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    throw new OperatorError(
      `no snapshot from ${server.endpoints.join(', ')}: ${messageOf(error)}; see that it runs and that the certificates are its clients'`,
    );
  } finally {
    client.close();
  }
}

function usage(name: string): string {
  return `Copy a store into a file. Without --endpoints it is the store of the control plane in --data-dir,
asked while it runs, read from its files when it is stopped.

Usage:
  ${name} FILE [flags]

Examples:
  ${name} monday.db
  ${name} monday.db --data-dir /var/lib/store
  ${name} monday.db --endpoints https://127.0.0.1:2379 \\
    --cacert etcd/ca.crt --cert apiserver-etcd-client.crt --key apiserver-etcd-client.key

Flags:
${formatFlags(flags)}
`;
}
