import type { KindFolder } from '../../built-in-kinds.ts';
import { podDisruptionBudget } from './pod-disruption-budget.ts';

export const policyV1: KindFolder = { poddisruptionbudgets: podDisruptionBudget };
