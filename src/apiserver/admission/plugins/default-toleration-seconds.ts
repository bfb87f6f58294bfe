/** DefaultTolerationSeconds: a pod stays this long on a node that fails, unless it says otherwise. */
import type { AdmissionPlugin } from '../admission.ts';

interface Toleration {
  key?: string;
  operator?: string;
  effect?: string;
  tolerationSeconds?: number;
}

export function defaultTolerationSeconds(notReadySeconds: number, unreachableSeconds: number): AdmissionPlugin {
  const defaults: Toleration[] = [
    toleration('node.kubernetes.io/not-ready', notReadySeconds),
    toleration('node.kubernetes.io/unreachable', unreachableSeconds),
  ];
  return {
    name: 'DefaultTolerationSeconds',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    admit({ resource, subresource, object }) {
      if (resource.group !== '' || resource.resource !== 'pods' || subresource !== '' || !object?.['spec']) return;
      const own: Toleration[] = object['spec'].tolerations ?? [];
      const missing = defaults.filter((d) => !own.some((t) => tolerates(t, d.key!)));
      if (missing.length > 0) object['spec'].tolerations = [...own, ...missing.map((m) => ({ ...m }))];
    },
  };
}

function toleration(key: string, tolerationSeconds: number): Toleration {
  return { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds };
}

function tolerates(t: Toleration, key: string): boolean {
  return (!t.key || t.key === key) && (!t.effect || t.effect === 'NoExecute');
}
