import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { ensure } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';

export const namespace: KindModule = {
  definition: { setDefaults: labelName },
  strategy: {
    prepareForCreate(object) {
      labelName(object);
      object.status = { phase: 'Active' };
      const spec = ensure(object, 'spec');
      const finalizers: string[] = spec.finalizers ?? [];
      spec.finalizers = finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'];
    },
    /** The finalizers of the spec change only through the finalize subresource. */
    prepareForUpdate(object, old) {
      ensure(object, 'spec').finalizers = old.spec?.finalizers;
    },
    tableRow: (object, now) => [object.metadata.name ?? '', object.status?.phase ?? '', ageOf(object, now)],
  },
};

/** Lets selectors name a namespace; clients cannot change it away. Done again at creation, when a generated name is known. */
function labelName(object: KubeObject): void {
  const { name } = object.metadata;
  if (name) ensure(object.metadata, 'labels')['kubernetes.io/metadata.name'] = name;
}
