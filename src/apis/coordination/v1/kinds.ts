import type { KindFolder } from '../../built-in-kinds.ts';
import { lease } from './lease.ts';

export const coordinationV1: KindFolder = { leases: lease };
