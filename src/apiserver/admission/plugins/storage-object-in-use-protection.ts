/** StorageObjectInUseProtection: volumes and claims get the finalizer that keeps them while something uses them. */
import facts from '#apis/facts/admission.json' with { type: 'json' };
import type { AdmissionPlugin } from '../admission.ts';

const finalizers: Record<string, string> = facts.defaults.StorageObjectInUseProtection;

export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: (operation) => operation === 'CREATE',
  admit({ resource, subresource, object }) {
    const finalizer = resource.group === '' && subresource === '' ? finalizers[resource.resource] : undefined;
    if (!finalizer || !object || object.metadata.finalizers?.includes(finalizer)) return;
    object.metadata.finalizers = [...(object.metadata.finalizers ?? []), finalizer];
  },
};
