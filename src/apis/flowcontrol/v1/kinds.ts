import type { KindFolder } from '../../built-in-kinds.ts';
import { flowSchema } from './flow-schema.ts';
import { priorityLevelConfiguration } from './priority-level-configuration.ts';

export const flowcontrolV1: KindFolder = {
  flowschemas: flowSchema,
  prioritylevelconfigurations: priorityLevelConfiguration,
};
