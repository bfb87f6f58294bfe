import type { KindModule } from '../../built-in-kinds.ts';
import { ensure } from '../../set-default.ts';
import { containerCells, labelsCell } from '../../table-cells.ts';
import { setPodTemplateDefaults } from './pod-defaults.ts';
import { validatePodTemplate } from './pod-validation.ts';

export const podTemplate: KindModule = {
  definition: { setDefaults: (object) => setPodTemplateDefaults(ensure(object, 'template')) },
  strategy: {
    hasGeneration: true,
    generationOf: (object) => object.template,
    validate: (object) => validatePodTemplate(object.template, 'template'),
    validateUpdate: (object) => validatePodTemplate(object.template, 'template'),
    tableRow: (object) => [
      object.metadata.name ?? '',
      ...containerCells(object.template?.spec),
      labelsCell(object.template?.metadata?.labels),
    ],
  },
};
