/**
 * The command line: every flag of upstream's kube-apiserver is accepted. Those named in `used` mean here what they mean
 * there; the rest have no effect and say so once. Behind them come the few that are ours alone.
 */
import { componentFlags } from '#apis/component-flags.ts';
import facts from '#apis/facts/flags/kube-apiserver.json' with { type: 'json' };
import type { FlagSpec } from '#base/flags.ts';
import { auditFlags } from './audit/audit-options.ts';

/** Flags with meaning here, and what --help says of them. */
const used: Record<string, string> = {
  ...auditFlags,
  'advertise-address': 'IP address by which other members of the cluster reach this server',
  'allow-privileged': 'privileged containers are always allowed here',
  'authentication-config': 'AuthenticationConfiguration file: to which paths anonymous requests are let in',
  'anonymous-auth': 'let requests without credentials in as system:anonymous',
  'api-audiences': 'audiences a service account token may be for; default: the issuer',
  'admission-control': 'old name of --enable-admission-plugins',
  'authorization-mode': `ordered list of AlwaysAllow, AlwaysDeny, Node, RBAC`,
  'bind-address': 'IP address to listen on',
  'cert-dir': 'directory of apiserver.crt and apiserver.key, made when missing and no --tls-cert-file is given',
  'client-ca-file': 'client certificates signed by these authorities are accepted',
  'default-not-ready-toleration-seconds': 'seconds a pod tolerates a node that is not ready',
  'default-unreachable-toleration-seconds': 'seconds a pod tolerates a node that cannot be reached',
  'default-watch-cache-size': 'events kept for each resource without a size of its own',
  'disable-admission-plugins': 'admission plugins to leave out',
  'enable-admission-plugins': 'admission plugins to run beside the default ones',
  'enable-bootstrap-token-auth': 'accept bootstrap tokens (secrets in kube-system)',
  'enable-priority-and-fairness':
    'give each request seats by flow schemas and priority levels, in place of the two limits',
  'endpoint-reconciler-type': 'how the endpoints of the kubernetes service are kept: lease or none',
  'etcd-cafile': 'authority of the etcd servers',
  'etcd-certfile': 'client certificate for etcd',
  'etcd-compaction-interval': 'how often the store’s old revisions are compacted; 0: never',
  'etcd-count-metric-poll-period': 'how often objects are counted for the metrics; 0: never',
  'etcd-db-metric-poll-interval': 'how often the size of the store’s database is asked for; 0: never',
  'etcd-healthcheck-timeout': 'how long a health check waits for etcd',
  'etcd-keyfile': 'key of the client certificate for etcd',
  'etcd-prefix': 'prefix of all keys',
  'etcd-servers': 'etcd servers, http(s)://host:port',
  'event-ttl': 'how long events are kept',
  'external-hostname': 'host name in addresses that are given to clients',
  'feature-gates': 'alpha and beta features, name=true|false',
  'kubelet-client-certificate': 'client certificate for the metrics of other components',
  'kubelet-client-key': 'key of --kubelet-client-certificate',
  'max-mutating-requests-inflight':
    'writes served at once; with priority and fairness the two limits together are the seats there are',
  'max-requests-inflight': 'reads served at once',
  'min-request-timeout': 'seconds a watch lives at least',
  'request-timeout': 'deadline of an ordinary request',
  'requestheader-allowed-names': 'published for aggregated servers',
  'requestheader-client-ca-file': 'published for aggregated servers',
  'requestheader-extra-headers-prefix': 'published for aggregated servers',
  'requestheader-group-headers': 'published for aggregated servers',
  'requestheader-uid-headers': 'published for aggregated servers',
  'requestheader-username-headers': 'published for aggregated servers',
  'secure-port': 'port of the API',
  'service-account-extend-token-expiration': 'pods’ tokens outlive their hour, with a warning',
  'service-account-issuer': 'issuer of service account tokens; the first is used for new ones',
  'service-account-jwks-uri': 'where others find the keys of service account tokens',
  'service-account-key-file': 'keys that verify service account tokens',
  'service-account-lookup': 'check that the account of a token still exists',
  'service-account-max-token-expiration': 'longest life of a requested token',
  'service-account-signing-key-file': 'key that signs service account tokens',
  'service-cluster-ip-range': 'CIDR of service addresses',
  'service-node-port-range': 'ports of NodePort services',
  'shutdown-delay-duration': 'keep serving this long after SIGTERM, not ready',
  'storage-initialization-timeout': 'how long to wait for etcd at start',
  'storage-media-type': 'objects are always stored as JSON here',
  'tls-cert-file': 'certificate (chain) of the server',
  'tls-private-key-file': 'key of --tls-cert-file',
  'token-auth-file': 'CSV of static bearer tokens: token,user,uid,"group1,group2"',
  v: 'log verbosity; 4 and more: debug',
  version: 'print the version and exit',
  'watch-cache': 'serve reads from memory; always so here',
  'watch-cache-sizes': 'events kept per resource, resource[.group]=size',
};

const own: readonly FlagSpec[] = [
  {
    name: 'etcd-read-servers',
    kind: 'strings',
    description:
      'etcd grpc-proxies in front of the --etcd-servers: lists, reads and watches go there, writes to the servers themselves; while no proxy answers, everything does',
  },
  {
    name: 'health-port',
    kind: 'int',
    default: '8001',
    description: 'plain HTTP port of /livez, /readyz and /healthz; 0: none',
  },
  {
    name: 'federate-metrics',
    kind: 'map',
    description: 'show other components’ metrics at /metrics too, each with label instance=NAME: NAME=URL,…',
  },
  {
    name: 'watch-cache-consistency-check-interval',
    kind: 'duration',
    default: '5m0s',
    min: 0,
    description: 'compare each watch cache with etcd this often; one that differs makes the server not ready; 0: never',
  },
  { name: 'health-bind-address', kind: 'string', default: '127.0.0.1', description: 'IP address of --health-port' },
];

export function apiServerFlags(): FlagSpec[] {
  return [...componentFlags(facts.flags, used).map(notNegative), ...own];
}

/** No number or duration of this server's means anything below zero. */
function notNegative(spec: FlagSpec): FlagSpec {
  return spec.inert || (spec.kind !== 'int' && spec.kind !== 'duration') ? spec : { min: 0, ...spec };
}
