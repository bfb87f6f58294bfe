import type { KindModule } from '../../built-in-kinds.ts';
import { ageOf } from '../../table-cells.ts';

export const serviceAccount: KindModule = {
  strategy: {
    tableRow: (object, now) => [object.metadata.name ?? '', ageOf(object, now)],
  },
};
