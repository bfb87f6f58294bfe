import { fieldError } from '#apimachinery/field-error.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { parseIp } from '../../validation/ip.ts';

export const ipAddress: KindModule = {
  strategy: {
    allowCreateOnUpdate: true,
    validate({ metadata, spec }) {
      const { name = '' } = metadata;
      const errors = parseIp(name)
        ? []
        : [fieldError.invalid('metadata.name', name, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
      if (!spec?.parentRef) errors.push(fieldError.required('spec.parentRef'));
      return errors;
    },
    validateUpdate: (object, old) => immutable('spec.parentRef', object.spec?.parentRef, old.spec?.parentRef),
    /** One cell more than columns: so it is upstream. */
    tableRow(object, now) {
      const { group, resource, namespace, name } = object.spec?.parentRef ?? {};
      const parent = [`${resource}${group ? `.${group}` : ''}`, namespace, name].filter(Boolean).join('/');
      return [object.metadata.name ?? '', parent, ageOf(object, now)];
    },
  },
};
