import { fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';
import { cidr } from '../../validation/ip.ts';

export const serviceCidr: KindModule = {
  strategy: {
    allowCreateOnUpdate: true,
    validate({ spec }: KubeObject) {
      const cidrs: string[] = spec?.cidrs ?? [];
      if (cidrs.length === 0) return [fieldError.required('spec.cidrs', 'at least one CIDR required')];
      if (cidrs.length > 2) return [fieldError.invalid('spec', spec, 'may only hold up to 2 values')];
      return cidrs.flatMap((text, i) => cidr(`spec.cidrs[${i}]`, text));
    },
    validateUpdate: (object, old) => immutable('spec.cidrs', object.spec?.cidrs, old.spec?.cidrs),
    tableRow: (object, now) => [object.metadata.name ?? '', (object.spec?.cidrs ?? []).join(','), ageOf(object, now)],
  },
};
