/** The Pod Security Standards as a table: what a level forbids, in upstream's order and words. */
export const podSecurityLevels = ['privileged', 'baseline', 'restricted'] as const;
export type PodSecurityLevel = (typeof podSecurityLevels)[number];

export interface Violation {
  /** `privileged` */
  reason: string;
  /** `container "c" must not set securityContext.privileged=true` */
  detail: string;
}

type PodSpec = Record<string, any>;
type Check = (spec: PodSpec) => Violation | undefined;

/** Baseline's checks come first; restricted holds for both. */
export function violations(spec: PodSpec, level: PodSecurityLevel): Violation[] {
  const checks = level === 'privileged' ? [] : level === 'baseline' ? baseline : [...baseline, ...restricted];
  return checks.map((check) => check(spec)).filter((v) => v !== undefined);
}

const defaultCapabilities = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
];
const safeSysctls = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
];
const restrictedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
  'image',
];

const baseline: readonly Check[] = [
  (spec) => {
    const bad = containers(spec).flatMap((c) =>
      added(c)
        .filter((name) => !defaultCapabilities.includes(name))
        .map((name) => ({ c, name })),
    );
    if (bad.length === 0) return undefined;
    const names = [...new Set(bad.map((b) => JSON.stringify(b.name)))].sort().join(', ');
    return {
      reason: 'non-default capabilities',
      detail: `${named('container', unique(bad.map((b) => b.c)))} must not include ${names} in securityContext.capabilities.add`,
    };
  },
  (spec) => {
    const set = ['hostNetwork', 'hostPID', 'hostIPC'].filter((field) => spec[field] === true);
    return set.length > 0 ? { reason: 'host namespaces', detail: set.map((f) => `${f}=true`).join(', ') } : undefined;
  },
  (spec) => {
    const bad = (spec['volumes'] ?? []).filter((v: any) => v.hostPath);
    return bad.length > 0 ? { reason: 'hostPath volumes', detail: named('volume', bad) } : undefined;
  },
  (spec) => {
    const bad = containers(spec).filter((c) => (c.ports ?? []).some((p: any) => p.hostPort > 0));
    if (bad.length === 0) return undefined;
    const ports = [...new Set(bad.flatMap((c) => c.ports.map((p: any) => p.hostPort).filter((p: number) => p > 0)))];
    const [verb, noun] = [bad.length > 1 ? 'use' : 'uses', ports.length > 1 ? 'hostPorts' : 'hostPort'];
    return { reason: 'hostPort', detail: `${named('container', bad)} ${verb} ${noun} ${ports.sort().join(', ')}` };
  },
  forContainers(
    'privileged',
    (c) => c.securityContext?.privileged === true,
    'must not set securityContext.privileged=true',
  ),
  forContainers(
    'procMount',
    (c) => (c.securityContext?.procMount ?? 'Default') !== 'Default',
    'must not set securityContext.procMount to "Unmasked"',
  ),
  (spec) => {
    const isBad = (context: any) => context?.seccompProfile?.type === 'Unconfined';
    const who = [
      ...(isBad(spec['securityContext']) ? ['pod'] : []),
      ...listed(containers(spec).filter((c) => isBad(c.securityContext))),
    ];
    return who.length > 0
      ? {
          reason: 'seccompProfile',
          detail: `${who.join(' and ')} must not set securityContext.seccompProfile.type to "Unconfined"`,
        }
      : undefined;
  },
  (spec) => {
    const bad = (spec['securityContext']?.sysctls ?? [])
      .map((s: any) => s.name)
      .filter((n: string) => !safeSysctls.includes(n));
    return bad.length > 0 ? { reason: 'forbidden sysctls', detail: bad.join(', ') } : undefined;
  },
];

const restricted: readonly Check[] = [
  forContainers(
    'allowPrivilegeEscalation != false',
    (c) => c.securityContext?.allowPrivilegeEscalation !== false,
    'must set securityContext.allowPrivilegeEscalation=false',
  ),
  (spec) => {
    const noDrop = containers(spec).filter((c) => !(c.securityContext?.capabilities?.drop ?? []).includes('ALL'));
    const withAdd = containers(spec).filter((c) => added(c).some((name) => name !== 'NET_BIND_SERVICE'));
    const names = [...new Set(withAdd.flatMap((c) => added(c).filter((n) => n !== 'NET_BIND_SERVICE')))].sort();
    const parts = [
      ...(noDrop.length > 0
        ? [`${named('container', noDrop)} must set securityContext.capabilities.drop=["ALL"]`]
        : []),
      ...(withAdd.length > 0
        ? [
            `${named('container', withAdd)} must not include ${names.map((n) => JSON.stringify(n)).join(', ')} in securityContext.capabilities.add`,
          ]
        : []),
    ];
    return parts.length > 0 ? { reason: 'unrestricted capabilities', detail: parts.join('; ') } : undefined;
  },
  (spec) => {
    const bad = (spec['volumes'] ?? []).filter((v: any) => !restrictedVolumes.some((type) => v[type]));
    if (bad.length === 0) return undefined;
    const types = [...new Set(bad.flatMap((v: any) => Object.keys(v).filter((k) => k !== 'name')))].sort();
    const shown = types.map((t) => JSON.stringify(t)).join(', ');
    const [verb, noun] = [bad.length > 1 ? 'use' : 'uses', types.length > 1 ? 'types' : 'type'];
    return {
      reason: 'restricted volume types',
      detail: `${named('volume', bad)} ${verb} restricted volume ${noun} ${shown}`,
    };
  },
  forPodOrContainers(
    'runAsNonRoot != true',
    (context) => context?.runAsNonRoot,
    (value) => value === true,
    'must set securityContext.runAsNonRoot=true',
  ),
  (spec) => {
    const who = [
      ...(spec['securityContext']?.runAsUser === 0 ? ['pod'] : []),
      ...listed(containers(spec).filter((c) => c.securityContext?.runAsUser === 0)),
    ];
    return who.length > 0
      ? { reason: 'runAsUser=0', detail: `${who.join(' and ')} must not set runAsUser=0` }
      : undefined;
  },
  forPodOrContainers(
    'seccompProfile',
    (context) => context?.seccompProfile?.type,
    (value) => value === 'RuntimeDefault' || value === 'Localhost',
    'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"',
  ),
];

function forContainers(reason: string, isBad: (container: any) => boolean, what: string): Check {
  return (spec) => {
    const bad = containers(spec).filter(isBad);
    return bad.length > 0 ? { reason, detail: `${named('container', bad)} ${what}` } : undefined;
  };
}

/** The pod's own setting counts for containers that say nothing. */
function forPodOrContainers(
  reason: string,
  get: (context: any) => unknown,
  isGood: (value: unknown) => boolean,
  what: string,
): Check {
  return (spec) => {
    const ofPod = get(spec['securityContext']);
    const wrong = containers(spec).filter((c) => {
      const own = get(c.securityContext);
      return own !== undefined && !isGood(own);
    });
    if (wrong.length > 0) return { reason, detail: `${named('container', wrong)} ${what}` };
    if (isGood(ofPod)) return undefined;
    if (ofPod !== undefined) return { reason, detail: `pod ${what}` };
    const silent = containers(spec).filter((c) => get(c.securityContext) === undefined);
    return silent.length > 0 ? { reason, detail: `pod or ${named('container', silent)} ${what}` } : undefined;
  };
}

function containers(spec: PodSpec): any[] {
  return [...(spec['initContainers'] ?? []), ...(spec['containers'] ?? []), ...(spec['ephemeralContainers'] ?? [])];
}

function added(container: any): string[] {
  return container.securityContext?.capabilities?.add ?? [];
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** `container "a"`, `containers "a", "b"` */
function named(what: string, items: readonly { name: string }[]): string {
  return `${what}${items.length > 1 ? 's' : ''} ${items.map((i) => JSON.stringify(i.name)).join(', ')}`;
}

function listed(items: readonly { name: string }[]): string[] {
  return items.length > 0 ? [named('container', items)] : [];
}
