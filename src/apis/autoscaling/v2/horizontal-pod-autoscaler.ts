import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { targetsCell } from './targets-cell.ts';
import { validateHorizontalPodAutoscaler } from './validation.ts';

export const horizontalPodAutoscaler: KindModule = {
  definition: { setDefaults: setHorizontalPodAutoscalerDefaults },
  strategy: {
    validate: validateHorizontalPodAutoscaler,
    validateUpdate: validateHorizontalPodAutoscaler,
    tableRow: (object, now) => {
      const { spec = {}, status } = object;
      return [
        object.metadata.name ?? '',
        `${spec.scaleTargetRef?.kind}/${spec.scaleTargetRef?.name}`,
        targetsCell(object),
        String(spec.minReplicas ?? '<unset>'),
        spec.maxReplicas ?? 0,
        status?.currentReplicas ?? 0,
        ageOf(object, now),
      ];
    },
  },
};

const defaultCpuUtilization = 80;

export function setHorizontalPodAutoscalerDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'minReplicas', 1);
  if (each(spec.metrics).length === 0) spec.metrics = [cpuMetric(defaultCpuUtilization)];
  if (spec.behavior) {
    fillRules(ensure(spec.behavior, 'scaleUp'), scaleUpPolicies);
    setDefault(spec.behavior.scaleUp, 'stabilizationWindowSeconds', 0);
    fillRules(ensure(spec.behavior, 'scaleDown'), scaleDownPolicies);
  }
}

export function cpuMetric(averageUtilization: number): Fields {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

const scaleUpPolicies = [
  { type: 'Pods', value: 4, periodSeconds: 15 },
  { type: 'Percent', value: 100, periodSeconds: 15 },
];
const scaleDownPolicies = [{ type: 'Percent', value: 100, periodSeconds: 15 }];

function fillRules(rules: Fields, policies: Fields[]): void {
  setDefault(rules, 'selectPolicy', 'Max');
  if (each(rules.policies).length === 0) rules.policies = structuredClone(policies);
}
