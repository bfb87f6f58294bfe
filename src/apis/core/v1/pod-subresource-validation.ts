/** The two ways into a running pod's spec: more ephemeral containers, and other resources for the containers it has. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { each } from '../../set-default.ts';
import { semanticEqual } from '../../validation/immutable.ts';
import { validatePodSpec } from './pod-validation.ts';
import { qosClassOf } from './qos-class.ts';

/** They can only be added. Who renames one takes it away and adds another. */
export function validateEphemeralContainersUpdate(pod: KubeObject, old: KubeObject): FieldError[] {
  const errors = validatePodSpec(pod.spec, 'spec');
  const wanted = new Map(each(pod.spec.ephemeralContainers).map((container) => [container.name, container]));
  for (const before of each(old.spec.ephemeralContainers)) {
    const container = wanted.get(before.name);
    const text = container === undefined ? 'removed' : semanticEqual(container, before) ? undefined : 'changed';
    if (text)
      errors.push(
        fieldError.forbidden(
          'spec.ephemeralContainers',
          `existing ephemeral containers ${JSON.stringify(before.name)} may not be ${text}\n`,
        ),
      );
  }
  return errors;
}

/** The quality of service was promised at creation. */
export function validateResize(pod: KubeObject, old: KubeObject): FieldError[] {
  const errors = validatePodSpec(pod.spec, 'spec');
  const before = old.status?.qosClass ?? qosClassOf(old.spec);
  if (qosClassOf(pod.spec) !== before)
    errors.push(fieldError.invalid('spec', before, 'Pod QOS Class may not change as a result of resizing'));
  return errors;
}
