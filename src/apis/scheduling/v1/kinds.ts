import type { KindFolder } from '../../built-in-kinds.ts';
import { priorityClass } from './priority-class.ts';

export const schedulingV1: KindFolder = { priorityclasses: priorityClass };
