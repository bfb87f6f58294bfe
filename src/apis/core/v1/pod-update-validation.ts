/** What may change in a pod after its creation: images, a shorter deadline, more tolerations. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { each, type Fields } from '../../set-default.ts';
import { semanticEqual } from '../../validation/immutable.ts';
import { ipAddress } from '../../validation/ip.ts';

const allowed =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

export function validatePodUpdate(pod: KubeObject, old: KubeObject): FieldError[] {
  const { spec } = pod;
  const before = old.spec;
  for (const list of ['containers', 'initContainers'])
    if (each(spec[list]).length !== each(before[list]).length)
      return [fieldError.forbidden(`spec.${list}`, 'pod updates may not add or remove containers')];
  const errors = validateDeadline(spec.activeDeadlineSeconds, before.activeDeadlineSeconds);
  const tolerationErrors = validateTolerationsKept(spec.tolerations, before.tolerations);
  const gateErrors = validateGatesKept(spec.schedulingGates, before.schedulingGates);
  errors.push(...tolerationErrors, ...gateErrors);
  const wanted = comparable(spec, before);
  const changed = Object.keys({ ...wanted, ...before }).filter((field) => !semanticEqual(wanted[field], before[field]));
  if (changed.length > 0)
    errors.push(fieldError.forbidden('spec', `${allowed}\n${difference(wanted, before, changed)}`));
  return errors;
}

export function validatePodStatus(pod: KubeObject): FieldError[] {
  return ['podIPs', 'hostIPs'].flatMap((list) =>
    each(pod.status?.[list]).flatMap(({ ip = '' }, i) => ipAddress(`status.${list}[${i}]`, ip)),
  );
}

/** The new spec with everything that may change set back. */
function comparable(spec: Fields, before: Fields): Fields {
  const images = (list: string) =>
    each(spec[list]).map((container, i) => ({ ...container, image: each(before[list])[i]?.image }));
  const oldGrace = before.terminationGracePeriodSeconds;
  const graceMended = oldGrace < 0 && spec.terminationGracePeriodSeconds === 1;
  // While gated, a pod may be told where to run more narrowly.
  const gated = each(before.schedulingGates).length > 0;
  return {
    ...spec,
    containers: images('containers'),
    initContainers: each(spec.initContainers).length > 0 ? images('initContainers') : before.initContainers,
    activeDeadlineSeconds: before.activeDeadlineSeconds,
    tolerations: before.tolerations,
    schedulingGates: before.schedulingGates,
    ...(graceMended ? { terminationGracePeriodSeconds: oldGrace } : {}),
    ...(gated && narrows(spec.nodeSelector, before.nodeSelector) ? { nodeSelector: before.nodeSelector } : {}),
  };
}

function narrows(labels: Record<string, string> | undefined, before: Record<string, string> | undefined): boolean {
  return Object.entries(before ?? {}).every(([key, value]) => labels?.[key] === value);
}

function validateDeadline(seconds: unknown, old: unknown): FieldError[] {
  if (typeof old !== 'number') return [];
  const field = 'spec.activeDeadlineSeconds';
  if (typeof seconds !== 'number')
    return [fieldError.invalid(field, seconds, 'must not update from a positive integer to nil value')];
  return seconds > old ? [fieldError.invalid(field, seconds, 'must be less than or equal to previous value')] : [];
}

function validateTolerationsKept(tolerations: unknown, old: unknown): FieldError[] {
  const kept = (toleration: Fields) =>
    each(tolerations).some((t) =>
      semanticEqual({ ...t, tolerationSeconds: null }, { ...toleration, tolerationSeconds: null }),
    );
  return each(old).every(kept)
    ? []
    : [
        fieldError.forbidden(
          'spec.tolerations',
          'existing toleration can not be modified except its tolerationSeconds',
        ),
      ];
}

function validateGatesKept(gates: unknown, old: unknown): FieldError[] {
  const before = new Set(each(old).map((gate) => gate.name));
  return each(gates)
    .filter((gate) => !before.has(gate.name))
    .map((gate) =>
      fieldError.forbidden(
        'spec.schedulingGates',
        `only deletion is allowed, but found new scheduling gate '${gate.name}'`,
      ),
    );
}

/** As a unified diff with one hunk, a line a field. */
function difference(wanted: Fields, before: Fields, fields: readonly string[]): string {
  const lines = fields.map(
    (field) => `- ${field}: ${JSON.stringify(before[field])}\n+ ${field}: ${JSON.stringify(wanted[field])}`,
  );
  return `@@ -1,${fields.length} +1,${fields.length} @@\n${lines.join('\n')}`;
}
