import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setDefault } from '../../set-default.ts';
import { ageOf, none } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { oneOf } from '../../validation/values.ts';

const controllerMax = 250;

export const ingressClass: KindModule = {
  definition: {
    setDefaults({ spec }) {
      if (spec?.parameters) setDefault(spec.parameters, 'scope', 'Cluster');
    },
  },
  strategy: {
    hasGeneration: true,
    validate,
    validateUpdate: (object, old) => [
      ...validate(object),
      ...immutable('spec.controller', object.spec?.controller, old.spec?.controller),
    ],
    tableRow(object, now) {
      const { controller, parameters } = object.spec ?? {};
      const group = parameters?.apiGroup ? `.${parameters.apiGroup}` : '';
      const shown = parameters ? `${parameters.kind}${group}/${parameters.name}` : none;
      return [object.metadata.name ?? '', controller ?? '', shown, ageOf(object, now)];
    },
  },
};

function validate({ spec = {} }: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const { controller = '', parameters } = spec;
  if (controller.length > controllerMax) errors.push(fieldError.tooLong('spec.controller', controllerMax));
  if (!controller.includes('/'))
    errors.push(
      fieldError.invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")'),
    );
  if (!parameters) return errors;
  if (!parameters.kind) errors.push(fieldError.required('spec.parameters.kind', 'kind is required'));
  if (!parameters.name) errors.push(fieldError.required('spec.parameters.name', 'name is required'));
  errors.push(...oneOf('spec.parameters.scope', parameters.scope, ['Cluster', 'Namespace']));
  if (parameters.scope === 'Namespace' && !parameters.namespace)
    errors.push(fieldError.required('spec.parameters.namespace', "`parameters.scope` is set to 'Namespace'"));
  if (parameters.scope === 'Cluster' && parameters.namespace)
    errors.push(fieldError.forbidden('spec.parameters.namespace', "`parameters.scope` is set to 'Cluster'"));
  return errors;
}
