import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { inRange } from '../../validation/values.ts';

const groupPriorityMax = 20_000;
const versionPriorityMax = 1000;

export const apiService: KindModule = {
  definition: {
    setDefaults({ spec }) {
      if (spec?.service) setDefault(spec.service, 'port', 443);
    },
  },
  strategy: {
    allowUnconditionalUpdate: false,
    validate,
    validateUpdate: validate,
    tableRow: (object, now) => {
      const { service } = object.spec ?? {};
      return [
        object.metadata.name ?? '',
        service ? `${service.namespace}/${service.name}` : 'Local',
        availableCell(object),
        ageOf(object, now),
      ];
    },
  },
};

function validate({ metadata, spec = {} }: KubeObject): FieldError[] {
  const { name = '' } = metadata;
  const { group = '', version = '', service } = spec;
  const errors: FieldError[] = [];
  if (name !== `${version}.${group}`)
    errors.push(
      fieldError.invalid('metadata.name', name, `must be \`spec.version+"."+spec.group\`: "${version}.${group}"`),
    );
  errors.push(...inRange('spec.groupPriorityMinimum', spec.groupPriorityMinimum ?? 0, 1, groupPriorityMax));
  errors.push(...inRange('spec.versionPriority', spec.versionPriority ?? 0, 1, versionPriorityMax));
  if (!service) {
    if (spec.caBundle)
      errors.push(
        fieldError.invalid(
          'spec.caBundle',
          `${spec.caBundle.length} bytes`,
          'local APIServices may not have a caBundle',
        ),
      );
    return errors;
  }
  if (!service.namespace) errors.push(fieldError.required('spec.service.namespace'));
  if (!service.name) errors.push(fieldError.required('spec.service.name'));
  if (spec.insecureSkipTLSVerify && spec.caBundle)
    errors.push(fieldError.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
  return errors;
}

function availableCell({ status }: KubeObject): string {
  const available = each(status?.conditions).find((condition) => condition.type === 'Available');
  if (!available) return 'Unknown';
  return available.status === 'True' ? 'True' : `${available.status} (${available.reason})`;
}
