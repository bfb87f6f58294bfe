import type { KindModule } from '../../built-in-kinds.ts';
import { each } from '../../set-default.ts';

export const componentStatus: KindModule = {
  strategy: {
    tableRow(object) {
      const healthy = each(object.conditions).find((condition) => condition.type === 'Healthy');
      const status = healthy ? (healthy.status === 'True' ? 'Healthy' : 'Unhealthy') : 'Unknown';
      return [object.metadata.name ?? '', status, healthy?.message ?? '', healthy?.error ?? ''];
    },
  },
};
