import type { KindFolder } from '../../built-in-kinds.ts';
import { deviceClass, resourceClaim, resourceClaimTemplate, resourceSlice } from './resource-claim.ts';

export const resourceV1: KindFolder = {
  deviceclasses: deviceClass,
  resourceclaims: resourceClaim,
  resourceclaimtemplates: resourceClaimTemplate,
  resourceslices: resourceSlice,
};
