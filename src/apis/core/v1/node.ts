import type { KindModule } from '../../built-in-kinds.ts';

export const node: KindModule = {
  strategy: {
    selectableFields: ({ spec }) => ({ 'spec.unschedulable': String(spec?.unschedulable ?? false) }),
  },
};
