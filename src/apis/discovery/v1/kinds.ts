import type { KindFolder } from '../../built-in-kinds.ts';
import { endpointSlice } from './endpoint-slice.ts';

export const discoveryV1: KindFolder = { endpointslices: endpointSlice };
