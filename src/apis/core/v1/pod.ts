import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setPodDefaults } from './pod-defaults.ts';

export const pod: KindModule = {
  definition: { setDefaults: setPodDefaults },
  strategy: {
    hasGeneration: true,
    prepareForCreate(object) {
      object.status = { phase: 'Pending' };
    },
    gracePeriodSeconds,
    selectableFields,
  },
};

/** A pod that no kubelet has, or that is over, needs no time to stop. */
function gracePeriodSeconds({ spec, status }: KubeObject, requested: number | undefined): number {
  if (!spec?.nodeName || status?.phase === 'Succeeded' || status?.phase === 'Failed') return 0;
  const seconds = requested ?? spec.terminationGracePeriodSeconds ?? 30;
  return seconds < 0 ? 1 : seconds;
}

function selectableFields({ spec, status }: KubeObject): Record<string, string> {
  return {
    'spec.nodeName': spec?.nodeName ?? '',
    'spec.restartPolicy': spec?.restartPolicy ?? '',
    'spec.schedulerName': spec?.schedulerName ?? '',
    'spec.serviceAccountName': spec?.serviceAccountName ?? '',
    'spec.hostNetwork': String(spec?.hostNetwork ?? false),
    'status.phase': status?.phase ?? '',
    'status.podIP': status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.nominatedNodeName': status?.nominatedNodeName ?? '',
  };
}
