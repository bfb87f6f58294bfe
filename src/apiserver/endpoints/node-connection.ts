import { fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { methodNotAllowed } from '../error-response.ts';
import { type Endpoint, namespaceOf } from './endpoint.ts';

/**
 * log, exec, attach, port-forward, proxy: what a kubelet or a pod would answer. The request is checked as upstream checks
 * it; there is no connection to a node's kubelet, so it ends as it does for a pod whose node cannot be reached.
 */
export const nodeConnection: Endpoint = async (context, request, served) => {
  const { name, subresource } = request.info;
  const { storage, key } = served.registry!;
  if (served.info.resource !== 'pods') throw methodNotAllowed();
  const query = request.url.searchParams;
  checkLogOptions(name, subresource, query);
  const entry = await storage.get(key(namespaceOf(request, served), name));
  if (!entry) throw apiErrors.notFound(served.info, name);
  const pod = entry.object();
  if (subresource !== 'portforward' && subresource !== 'proxy') checkContainer(pod, query.get('container'));
  const node: string | undefined = pod['spec'].nodeName;
  if (!node) throw apiErrors.badRequest(`pod ${name} does not have a host assigned`);
  const nodes = context.registry.resource('', 'nodes');
  const isThere = nodes && (await nodes.storage.get(nodes.key('', node)));
  // Upstream names the resource of the request here, and the node.
  if (!isThere) throw apiErrors.notFound(served.info, node);
  throw apiErrors.internal(
    new Error(`error dialing backend: no kubelet of node ${node} can be reached for ${subresource}`),
  );
};

function checkLogOptions(name: string, subresource: string, query: URLSearchParams): void {
  if (subresource !== 'log') return;
  const errors = [];
  for (const [field, min] of [
    ['tailLines', 0],
    ['limitBytes', 1],
    ['sinceSeconds', 1],
  ] as const) {
    const text = query.get(field);
    if (text !== null && Number(text) < min) {
      const bound = min === 0 ? 'greater than or equal to 0' : 'greater than 0';
      errors.push(fieldError.invalid(field, Number(text), `must be ${bound}`));
    }
  }
  if (errors.length > 0) throw apiErrors.invalid({ group: '', kind: 'PodLogOptions' }, name, errors);
}

function checkContainer(pod: KubeObject, container: string | null): void {
  const names = ['containers', 'initContainers', 'ephemeralContainers'].flatMap((field) =>
    ((pod['spec'][field] ?? []) as { name: string }[]).map((c) => c.name),
  );
  const name = pod.metadata.name;
  if (container) {
    if (!names.includes(container)) throw apiErrors.badRequest(`container ${container} is not valid for pod ${name}`);
    return;
  }
  const choices: string[] = pod['spec'].containers.map((c: { name: string }) => c.name);
  if (choices.length > 1 && !pod.metadata.annotations?.['kubectl.kubernetes.io/default-container']) {
    throw apiErrors.badRequest(
      `a container name must be specified for pod ${name}, choose one of: [${choices.join(' ')}]`,
    );
  }
}
