import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';

export const event: KindModule = {
  strategy: {
    allowCreateOnUpdate: true,
    ttlSeconds: () => 3600,
    selectableFields,
  },
};

function selectableFields(object: KubeObject): Record<string, string> {
  const involved = object.involvedObject ?? {};
  return {
    'involvedObject.kind': involved.kind ?? '',
    'involvedObject.namespace': involved.namespace ?? '',
    'involvedObject.name': involved.name ?? '',
    'involvedObject.uid': involved.uid ?? '',
    'involvedObject.apiVersion': involved.apiVersion ?? '',
    'involvedObject.resourceVersion': involved.resourceVersion ?? '',
    'involvedObject.fieldPath': involved.fieldPath ?? '',
    reason: object.reason ?? '',
    reportingComponent: object.reportingComponent ?? '',
    source: object.source?.component || object.reportingComponent || '',
    type: object.type ?? '',
  };
}
