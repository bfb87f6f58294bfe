import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { setPodTemplateDefaults } from '../../core/v1/pod-defaults.ts';
import { ensure, setDefault } from '../../set-default.ts';

export const replicaSet: KindModule = {
  definition: { setDefaults },
  strategy: {
    hasGeneration: true,
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  },
};

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'replicas', 1);
  setPodTemplateDefaults(ensure(spec, 'template'));
}
