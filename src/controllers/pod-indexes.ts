/** Pods by who controls them; those without a controller by namespace. Informers are shared, and so are their indexes. */
import type { Informer } from '#client/informer.ts';
import { controllerOf, type Pod } from './resources.ts';

const index = 'controllerOrNamespaceOfOrphan';

export function indexByController(pods: Informer<Pod>): void {
  pods.addIndex(index, (pod) => [controllerOf(pod)?.uid ?? orphansOf(pod.metadata.namespace!)]);
}

export function podsControlledBy(pods: Informer<Pod>, uid: string): Pod[] {
  return pods.byIndex(index, uid);
}

export function orphanPods(pods: Informer<Pod>, namespace: string): Pod[] {
  return pods.byIndex(index, orphansOf(namespace));
}

/** No uid holds a slash. */
function orphansOf(namespace: string): string {
  return `orphans/${namespace}`;
}
