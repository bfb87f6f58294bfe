/** The names of types: what is asked for (resource) and what is sent (kind). '' is the core group. */
export interface GroupVersion {
  group: string;
  version: string;
}
export interface GroupResource {
  group: string;
  resource: string;
}
export interface GroupVersionResource extends GroupVersion {
  resource: string;
}
export interface GroupKind {
  group: string;
  kind: string;
}
export interface GroupVersionKind extends GroupVersion {
  kind: string;
}

/** `apps/v1`; `v1` for the core group: the text of an object's apiVersion. */
export function formatGroupVersion(gv: GroupVersion): string {
  return gv.group === '' ? gv.version : `${gv.group}/${gv.version}`;
}

export function parseGroupVersion(apiVersion: string): GroupVersion {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** `deployments.apps`; `pods` for the core group: how upstream's messages name a resource. */
export function formatGroupResource(gr: GroupResource): string {
  return gr.group === '' ? gr.resource : `${gr.resource}.${gr.group}`;
}

/** `Deployment.apps`: how upstream's messages name a kind. */
export function formatGroupKind(gk: GroupKind): string {
  return gk.group === '' ? gk.kind : `${gk.kind}.${gk.group}`;
}
