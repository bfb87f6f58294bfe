/** The command line, read and checked; nothing is opened yet. Wrong use throws UsageError, one line with the remedy. */
import { isIP } from 'node:net';
import admissionFacts from '#apis/facts/admission.json' with { type: 'json' };
import { type ParsedFlags, parseFlags, UsageError } from '#base/flags.ts';
import { type AuditOptions, parseAuditOptions } from './audit/audit-options.ts';
import { type AuthorizationMode, authorizationModes } from './authorization/authorizer.ts';
import { apiServerFlags } from './flags.ts';
import { parseCidr } from './services/ip-range.ts';

export interface ApiServerConfiguration {
  bindAddress: string;
  securePort: number;
  /** '' : the machine's own first address. */
  advertiseAddress: string;
  externalHostname: string;
  certDir: string;
  tlsCertFile: string;
  tlsPrivateKeyFile: string;
  clientCaFile: string;
  requestHeader: RequestHeaderOptions;
  health: { address: string; port: number; timeoutMs: number };
  federation: { sources: { name: string; url: string }[]; certFile: string; keyFile: string };
  etcd: {
    servers: string[];
    /** Where reads and watches go; empty: to `servers`. */
    readServers: string[];
    prefix: string;
    caFile: string;
    certFile: string;
    keyFile: string;
    initializationTimeoutMs: number;
    compactionIntervalMs: number;
    countMetricPollMs: number;
    databaseMetricPollMs: number;
  };
  watchCache: { sizes: Map<string, number>; defaultSize: number; consistencyCheckIntervalMs: number };
  limits: {
    maxRequestsInflight: number;
    maxMutatingRequestsInflight: number;
    requestTimeoutMs: number;
    minRequestTimeoutMs: number;
  };
  priorityAndFairness: boolean;
  audit: AuditOptions;
  anonymousAuth: boolean;
  /** In place of `anonymousAuth`; '' : none. */
  authenticationConfig: string;
  tokenAuthFile: string;
  bootstrapTokens: boolean;
  serviceAccounts: ServiceAccountOptions;
  authorizationModes: AuthorizationMode[];
  admission: { enabled: string[]; disabled: string[]; notReadySeconds: number; unreachableSeconds: number };
  services: { clusterIpRange: string; nodePortRange: { first: number; last: number } };
  endpointReconciler: 'lease' | 'none';
  eventTtlMs: number;
  shutdownDelayMs: number;
  isVerbose: boolean;
}

export interface RequestHeaderOptions {
  clientCaFile: string;
  allowedNames: string[];
  extraHeadersPrefix: string[];
  groupHeaders: string[];
  uidHeaders: string[];
  usernameHeaders: string[];
}

export interface ServiceAccountOptions {
  issuers: string[];
  apiAudiences: string[];
  keyFiles: string[];
  signingKeyFile: string;
  jwksUri: string;
  lookup: boolean;
  extendExpiration: boolean;
  maxExpirationSeconds: number;
}

/** What upstream uses when --service-cluster-ip-range is not given. */
const defaultClusterIpRange = '10.0.0.0/24';

export type ParsedCommandLine =
  | { action: 'run'; options: ApiServerConfiguration; warnings: string[] }
  | { action: 'help' }
  | { action: 'version' };

export async function parseCommandLine(argv: readonly string[]): Promise<ParsedCommandLine> {
  const flags = parseFlags(apiServerFlags(), argv);
  if (flags.help) return { action: 'help' };
  if (flags.bool('version')) return { action: 'version' };
  if (flags.positional.length > 0) throw new UsageError(`unexpected argument: ${flags.positional[0]}; see --help`);
  if (flags.map('feature-gates').size > 0) await checkFeatureGates(flags.map('feature-gates'));
  return { action: 'run', options: toOptions(flags), warnings: flags.warnings };
}

function toOptions(flags: ParsedFlags): ApiServerConfiguration {
  const servers = flags.strings('etcd-servers');
  if (servers.length === 0)
    throw new UsageError('--etcd-servers is missing: give the store, such as --etcd-servers=http://127.0.0.1:2379');
  const readServers = flags.strings('etcd-read-servers');
  checkEtcdUrls('etcd-servers', servers);
  checkEtcdUrls('etcd-read-servers', readServers);
  const issuers = flags.strings('service-account-issuer');
  const serviceAccountIssuers = issuers.length > 0 ? issuers : ['https://kubernetes.default.svc'];
  const audiences = flags.strings('api-audiences');
  return {
    bindAddress: address(flags, 'bind-address'),
    securePort: port(flags, 'secure-port'),
    advertiseAddress: address(flags, 'advertise-address'),
    externalHostname: flags.string('external-hostname'),
    certDir: flags.string('cert-dir'),
    tlsCertFile: flags.string('tls-cert-file'),
    tlsPrivateKeyFile: flags.string('tls-private-key-file'),
    clientCaFile: flags.string('client-ca-file'),
    requestHeader: {
      clientCaFile: flags.string('requestheader-client-ca-file'),
      allowedNames: flags.strings('requestheader-allowed-names'),
      extraHeadersPrefix: flags.strings('requestheader-extra-headers-prefix'),
      groupHeaders: flags.strings('requestheader-group-headers'),
      uidHeaders: flags.strings('requestheader-uid-headers'),
      usernameHeaders: flags.strings('requestheader-username-headers'),
    },
    health: {
      address: address(flags, 'health-bind-address'),
      port: port(flags, 'health-port'),
      timeoutMs: flags.durationMs('etcd-healthcheck-timeout'),
    },
    federation: {
      sources: [...flags.map('federate-metrics')].map(([name, url]) => ({
        name,
        url: httpsUrl('federate-metrics', url),
      })),
      certFile: flags.string('kubelet-client-certificate'),
      keyFile: flags.string('kubelet-client-key'),
    },
    etcd: {
      servers,
      readServers,
      prefix: flags.string('etcd-prefix'),
      caFile: flags.string('etcd-cafile'),
      certFile: flags.string('etcd-certfile'),
      keyFile: flags.string('etcd-keyfile'),
      initializationTimeoutMs: flags.durationMs('storage-initialization-timeout'),
      compactionIntervalMs: flags.durationMs('etcd-compaction-interval'),
      countMetricPollMs: flags.durationMs('etcd-count-metric-poll-period'),
      databaseMetricPollMs: flags.durationMs('etcd-db-metric-poll-interval'),
    },
    watchCache: {
      sizes: watchCacheSizes(flags),
      defaultSize: flags.int('default-watch-cache-size'),
      consistencyCheckIntervalMs: flags.durationMs('watch-cache-consistency-check-interval'),
    },
    limits: {
      maxRequestsInflight: flags.int('max-requests-inflight'),
      maxMutatingRequestsInflight: flags.int('max-mutating-requests-inflight'),
      requestTimeoutMs: flags.durationMs('request-timeout'),
      minRequestTimeoutMs: flags.int('min-request-timeout') * 1000,
    },
    priorityAndFairness: flags.bool('enable-priority-and-fairness'),
    audit: parseAuditOptions(flags),
    anonymousAuth: flags.bool('anonymous-auth'),
    authenticationConfig: authenticationConfig(flags),
    tokenAuthFile: flags.string('token-auth-file'),
    bootstrapTokens: flags.bool('enable-bootstrap-token-auth'),
    serviceAccounts: {
      issuers: serviceAccountIssuers,
      apiAudiences: audiences.length > 0 ? audiences : serviceAccountIssuers,
      keyFiles: flags.strings('service-account-key-file'),
      signingKeyFile: flags.string('service-account-signing-key-file'),
      jwksUri: flags.string('service-account-jwks-uri'),
      lookup: flags.bool('service-account-lookup'),
      extendExpiration: flags.bool('service-account-extend-token-expiration'),
      maxExpirationSeconds: flags.durationMs('service-account-max-token-expiration') / 1000,
    },
    authorizationModes: modes(flags),
    admission: {
      enabled: plugins(flags, 'enable-admission-plugins').concat(plugins(flags, 'admission-control')),
      disabled: plugins(flags, 'disable-admission-plugins'),
      notReadySeconds: flags.int('default-not-ready-toleration-seconds'),
      unreachableSeconds: flags.int('default-unreachable-toleration-seconds'),
    },
    services: { clusterIpRange: clusterIpRange(flags), nodePortRange: nodePortRange(flags) },
    endpointReconciler: flags.string('endpoint-reconciler-type') === 'none' ? 'none' : 'lease',
    eventTtlMs: flags.durationMs('event-ttl'),
    shutdownDelayMs: flags.durationMs('shutdown-delay-duration'),
    isVerbose: flags.int('v') >= 4,
  };
}

function checkEtcdUrls(flag: string, urls: readonly string[]): void {
  for (const url of urls)
    if (!/^(https?|unixs?):\/\/[^/]/.test(url))
      throw new UsageError(`invalid value ${JSON.stringify(url)} for --${flag}: give http(s)://host:port`);
}

function address(flags: ParsedFlags, name: string): string {
  const text = flags.string(name);
  if (text !== '' && isIP(text) === 0)
    throw new UsageError(`invalid value ${JSON.stringify(text)} for --${name}: give an IP address`);
  return text;
}

function authenticationConfig(flags: ParsedFlags): string {
  const file = flags.string('authentication-config');
  if (file !== '' && flags.has('anonymous-auth'))
    throw new UsageError('--authentication-config says who is let in: leave --anonymous-auth out');
  return file;
}

function httpsUrl(name: string, text: string): string {
  if (!URL.canParse(text) || new URL(text).protocol !== 'https:')
    throw new UsageError(`invalid value ${JSON.stringify(text)} for --${name}: give NAME=https://HOST:PORT/metrics`);
  return text;
}

function port(flags: ParsedFlags, name: string): number {
  const value = flags.int(name);
  if (value < 0 || value > 65535)
    throw new UsageError(`invalid value "${value}" for --${name}: give a port, 0 to 65535`);
  return value;
}

function modes(flags: ParsedFlags): AuthorizationMode[] {
  const names = flags.strings('authorization-mode');
  for (const name of names)
    if (!authorizationModes.includes(name as AuthorizationMode))
      throw new UsageError(
        `invalid value ${JSON.stringify(name)} for --authorization-mode: give ${authorizationModes.join(', ')}`,
      );
  return names.length > 0 ? (names as AuthorizationMode[]) : ['AlwaysAllow'];
}

function plugins(flags: ParsedFlags, flag: string): string[] {
  const names = flags.strings(flag);
  const known = admissionFacts.plugins.map((p) => p.name);
  for (const name of names)
    if (!known.includes(name))
      throw new UsageError(
        `invalid value ${JSON.stringify(name)} for --${flag}: no such admission plugin; there are ${known.join(', ')}`,
      );
  return names;
}

function clusterIpRange(flags: ParsedFlags): string {
  const [range = defaultClusterIpRange] = flags
    .string('service-cluster-ip-range')
    .split(',')
    .filter((r) => r !== '');
  const parsed = parseCidr(range);
  if (!parsed)
    throw new UsageError(`invalid value ${JSON.stringify(range)} for --service-cluster-ip-range: give a CIDR`);
  if (parsed.size < 8n)
    throw new UsageError(`--service-cluster-ip-range ${range} is too small: give at least 8 addresses`);
  return range;
}

function nodePortRange(flags: ParsedFlags): { first: number; last: number } {
  const text = flags.string('service-node-port-range');
  const match = /^(\d+)([-+])(\d+)$/.exec(text);
  const first = Number(match?.[1]);
  const last = match?.[2] === '+' ? first + Number(match[3]) : Number(match?.[3]);
  if (!match || first < 1 || last < first || last > 65535)
    throw new UsageError(`invalid value ${JSON.stringify(text)} for --service-node-port-range: give FIRST-LAST`);
  return { first, last };
}

function watchCacheSizes(flags: ParsedFlags): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const entry of flags.strings('watch-cache-sizes')) {
    const match = /^([^=#]+)[=#](\d+)$/.exec(entry);
    if (!match)
      throw new UsageError(
        `invalid value ${JSON.stringify(entry)} for --watch-cache-sizes: give resource[.group]=size`,
      );
    sizes.set(match[1]!, Number(match[2]));
  }
  return sizes;
}

/** Gates have no switch behind them here, but a gate upstream would refuse is refused. */
async function checkFeatureGates(wanted: ReadonlyMap<string, string>): Promise<void> {
  const { default: facts } = await import('#apis/facts/flags/feature-gates.json', { with: { type: 'json' } });
  const gates = new Map(facts.gates.map((g) => [g.name, g]));
  for (const [key, value] of wanted) {
    const name = key.slice(key.indexOf(':') + 1);
    const gate = gates.get(name);
    if (name === 'AllAlpha' || name === 'AllBeta') continue;
    if (!gate) throw new UsageError(`--feature-gates: unrecognized feature gate: ${name}`);
    if (value !== 'true' && value !== 'false')
      throw new UsageError(`--feature-gates: invalid value of ${name}=${value}: give true or false`);
    if (gate.locked && String(gate.default) !== value)
      throw new UsageError(
        `--feature-gates: cannot set feature gate ${name} to ${value}, feature is locked to ${gate.default}`,
      );
  }
}
