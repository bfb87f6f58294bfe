import type { KindFolder } from '../../built-in-kinds.ts';
import { customResourceDefinition } from './custom-resource-definition.ts';

export const apiextensionsV1: KindFolder = { customresourcedefinitions: customResourceDefinition };
