import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure } from '../../set-default.ts';
import { setPodDefaults } from './pod-defaults.ts';
import { validateEphemeralContainersUpdate, validateResize } from './pod-subresource-validation.ts';
import { podRow, podRowConditions } from './pod-table.ts';
import { validatePodStatus, validatePodUpdate } from './pod-update-validation.ts';
import { podSpecWarnings, validatePodSpec } from './pod-validation.ts';
import { qosClassOf } from './qos-class.ts';

export const pod: KindModule = {
  definition: { setDefaults: setPodDefaults },
  strategy: {
    hasGeneration: true,
    // Being bound to a node is the scheduler's answer, not a new wish.
    generationOf: ({ spec }) => ({ ...spec, nodeName: undefined }),
    prepareForCreate(object) {
      object.status = { phase: 'Pending', qosClass: qosClassOf(object.spec) };
      if (each(object.spec.schedulingGates).length > 0) object.status.conditions = [gatedCondition];
    },
    prepareForStatusUpdate(object, old) {
      // The class is decided once, at creation.
      if (old.status?.qosClass) ensure(object, 'status').qosClass = old.status.qosClass;
    },
    validate: (object) => validatePodSpec(object.spec ?? {}, 'spec'),
    validateUpdate: validatePodUpdate,
    validateStatusUpdate: validatePodStatus,
    validateSubresource: { ephemeralcontainers: validateEphemeralContainersUpdate, resize: validateResize },
    warnings: (object) => podSpecWarnings(object.spec, 'spec'),
    gracePeriodSeconds,
    selectableFields,
    tableRow: podRow,
    tableRowConditions: podRowConditions,
  },
};

const gatedCondition = {
  type: 'PodScheduled',
  status: 'False',
  lastProbeTime: null,
  lastTransitionTime: null,
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
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
