import type { KindFolder } from '../../built-in-kinds.ts';
import { runtimeClass } from './runtime-class.ts';

export const nodeV1: KindFolder = { runtimeclasses: runtimeClass };
