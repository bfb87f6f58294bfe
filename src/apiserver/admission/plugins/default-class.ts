/** DefaultStorageClass and DefaultIngressClass: what names no class gets the one marked as default. */

import type { KubeObject } from '#apimachinery/object.ts';
import facts from '#apis/facts/admission.json' with { type: 'json' };
import type { AdmissionPlugin } from '../admission.ts';

const { annotation, betaAnnotation } = facts.defaults.DefaultStorageClass;
const ingressAnnotation = facts.defaults.DefaultIngressClass.annotation;

/** Several defaults: the newest. */
export function defaultStorageClass(list: () => KubeObject[]): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    handles: (operation) => operation === 'CREATE',
    admit({ resource, subresource, object }) {
      if (resource.group !== '' || resource.resource !== 'persistentvolumeclaims' || subresource !== '' || !object)
        return;
      if (object['spec']?.storageClassName !== undefined) return;
      if (object.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined) return;
      const chosen = newest(list().filter((c) => isMarked(c, annotation) || isMarked(c, betaAnnotation)));
      if (chosen) object['spec'].storageClassName = chosen.metadata.name;
    },
  };
}

/** Several defaults: the newest, too. */
export function defaultIngressClass(list: () => KubeObject[]): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    handles: (operation) => operation === 'CREATE',
    admit({ resource, subresource, object }) {
      if (resource.group !== 'networking.k8s.io' || resource.resource !== 'ingresses' || subresource !== '' || !object)
        return;
      if (object['spec']?.ingressClassName !== undefined) return;
      if (object.metadata.annotations?.['kubernetes.io/ingress.class'] !== undefined) return;
      const chosen = newest(list().filter((c) => isMarked(c, ingressAnnotation)));
      if (!chosen) return;
      object['spec'] ??= {};
      object['spec'].ingressClassName = chosen.metadata.name;
    },
  };
}

function isMarked(object: KubeObject, key: string): boolean {
  return object.metadata.annotations?.[key] === 'true';
}

function newest(objects: KubeObject[]): KubeObject | undefined {
  const created = (o: KubeObject) => o.metadata.creationTimestamp ?? '';
  return objects.sort((a, b) =>
    created(a) > created(b) ? -1 : created(a) < created(b) ? 1 : a.metadata.name! < b.metadata.name! ? -1 : 1,
  )[0];
}
