/** RuntimeClass: a pod that names one must find it, and takes its overhead and where it may run from it. */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

type ClassOf = (name: string) => Promise<KubeObject | undefined> | KubeObject | undefined;

export function runtimeClass(classOf: ClassOf): AdmissionPlugin {
  return {
    name: 'RuntimeClass',
    handles: (operation) => operation === 'CREATE',
    async admit(attributes) {
      const { resource, subresource, object } = attributes;
      if (resource.group !== '' || resource.resource !== 'pods' || subresource !== '' || !object?.['spec']) return;
      const spec = object['spec'];
      if (!spec.runtimeClassName) {
        if (spec.overhead)
          throw rejected(attributes, 'Pod Overhead set without corresponding RuntimeClass defined Overhead');
        return;
      }
      const found = await classOf(spec.runtimeClassName);
      if (!found) throw rejected(attributes, `RuntimeClass ${JSON.stringify(spec.runtimeClassName)} not found`);
      takeOverhead(attributes, spec, found);
      takeScheduling(attributes, spec, found);
    },
  };
}

function takeOverhead(attributes: AdmissionAttributes, spec: KubeObject[string], found: KubeObject): void {
  const overhead = found['overhead']?.podFixed;
  if (spec.overhead && !deepEqual(spec.overhead, overhead)) {
    throw rejected(attributes, "Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  }
  if (overhead) spec.overhead = { ...overhead };
}

function takeScheduling(attributes: AdmissionAttributes, spec: KubeObject[string], found: KubeObject): void {
  const scheduling = found['scheduling'];
  if (!scheduling) return;
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value) {
      throw rejected(
        attributes,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      );
    }
    spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
  }
  const own: unknown[] = spec.tolerations ?? [];
  const more = (scheduling.tolerations ?? []).filter((t: unknown) => !own.some((o) => deepEqual(o, t)));
  if (more.length > 0) spec.tolerations = [...own, ...more];
}

function rejected(attributes: AdmissionAttributes, why: string) {
  const name = attributes.name || (attributes.object?.metadata.generateName ?? '');
  return apiErrors.forbidden(attributes.resource, name, `pod rejected: ${why}`);
}
