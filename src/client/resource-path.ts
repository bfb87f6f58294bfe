import type { GroupVersionResource } from '#apimachinery/group-version.ts';

/** `/apis/apps/v1/namespaces/default/deployments/web/status`; namespace '' for none. */
export function resourcePath(
  gvr: GroupVersionResource,
  namespace: string,
  name?: string,
  subresource?: string,
): string {
  let path = gvr.group === '' ? `/api/${gvr.version}` : `/apis/${gvr.group}/${gvr.version}`;
  if (namespace !== '') path += `/namespaces/${encodeURIComponent(namespace)}`;
  path += `/${gvr.resource}`;
  if (name !== undefined) path += `/${encodeURIComponent(name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

/** `?limit=500&watch=true`, or '' when every value is undefined or ''. */
export function queryString(params: Record<string, string | number | boolean | undefined>): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== '') parts.push(`${name}=${encodeURIComponent(value)}`);
  }
  return parts.length ? `?${parts.join('&')}` : '';
}
