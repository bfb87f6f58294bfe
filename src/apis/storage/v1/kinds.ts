import type { KindFolder } from '../../built-in-kinds.ts';
import { csiDriver, csiNode, csiStorageCapacity } from './csi.ts';
import { storageClass } from './storage-class.ts';
import { volumeAttachment } from './volume-attachment.ts';
import { volumeAttributesClass } from './volume-attributes-class.ts';

export const storageV1: KindFolder = {
  csidrivers: csiDriver,
  csinodes: csiNode,
  csistoragecapacities: csiStorageCapacity,
  storageclasses: storageClass,
  volumeattachments: volumeAttachment,
  volumeattributesclasses: volumeAttributesClass,
};
