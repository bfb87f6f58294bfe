import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf } from '../../table-cells.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';
import { intOrPercent, notMoreThan100Percent, oneOf } from '../../validation/values.ts';

export const podDisruptionBudget: KindModule = {
  strategy: {
    hasGeneration: true,
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: validate,
    tableRow: (object, now) => [
      object.metadata.name ?? '',
      String(object.spec?.minAvailable ?? 'N/A'),
      String(object.spec?.maxUnavailable ?? 'N/A'),
      object.status?.disruptionsAllowed ?? 0,
      ageOf(object, now),
    ],
  },
};

function validate({ spec = {} }: KubeObject): FieldError[] {
  const { minAvailable = null, maxUnavailable = null, selector = null, unhealthyPodEvictionPolicy = null } = spec;
  if (minAvailable !== null && maxUnavailable !== null) {
    const shown = {
      MinAvailable: minAvailable,
      Selector: selector,
      MaxUnavailable: maxUnavailable,
      UnhealthyPodEvictionPolicy: unhealthyPodEvictionPolicy,
    };
    return [fieldError.invalid('spec', shown, 'minAvailable and maxUnavailable cannot be both set')];
  }
  return [
    ...intOrPercent('spec.minAvailable', minAvailable),
    ...notMoreThan100Percent('spec.minAvailable', minAvailable),
    ...intOrPercent('spec.maxUnavailable', maxUnavailable),
    ...notMoreThan100Percent('spec.maxUnavailable', maxUnavailable),
    ...validateLabelSelector(selector, 'spec.selector'),
    ...oneOf('spec.unhealthyPodEvictionPolicy', unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget']),
  ];
}
