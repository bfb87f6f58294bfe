/** What the collector does to an object of the graph. What is gone meanwhile is as good as done. */
import type { KubeObject, OwnerReference } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import type { ApiClient, ResourceClient } from '#client/client.ts';
import type { GraphNode } from './graph.ts';

export class GraphApi {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** The very object of the node: not another that has its name now. */
  async read(node: GraphNode): Promise<KubeObject | undefined> {
    const live = await unlessGone(this.#of(node).get(node.identity.name));
    return live?.metadata.uid === node.identity.uid ? live : undefined;
  }

  /** Of what was read: an owner may have been added since, and then it is a conflict. */
  async remove(
    node: GraphNode,
    live: KubeObject,
    propagationPolicy: 'Foreground' | 'Background' | 'Orphan',
  ): Promise<void> {
    const { uid, resourceVersion } = live.metadata;
    const preconditions = { uid: uid!, resourceVersion: resourceVersion! };
    await unlessGone(this.#of(node).delete(node.identity.name, { propagationPolicy, preconditions }));
  }

  async dropOwners(node: GraphNode, live: KubeObject, dropped: readonly OwnerReference[]): Promise<void> {
    const uids = new Set(dropped.map((r) => r.uid));
    const ownerReferences = (live.metadata.ownerReferences ?? []).filter((r) => !uids.has(r.uid));
    await this.#patch(node, live, { ownerReferences });
  }

  unblockOwners(node: GraphNode, live: KubeObject): Promise<KubeObject | undefined> {
    const ownerReferences = live.metadata.ownerReferences!.map((r) => ({ ...r, blockOwnerDeletion: false }));
    return this.#patch(node, live, { ownerReferences });
  }

  async removeFinalizer(node: GraphNode, finalizer: string): Promise<void> {
    const live = await this.read(node);
    if (!live?.metadata.finalizers?.includes(finalizer)) return;
    await this.#patch(node, live, { finalizers: live.metadata.finalizers.filter((f) => f !== finalizer) });
  }

  #patch(node: GraphNode, live: KubeObject, metadata: object): Promise<KubeObject | undefined> {
    const { uid, resourceVersion } = live.metadata;
    const patch = { metadata: { uid, resourceVersion, ...metadata } };
    return unlessGone(this.#of(node).patch(node.identity.name, 'application/merge-patch+json', patch));
  }

  #of({ resource, identity }: GraphNode): ResourceClient {
    return this.#client.resource(resource!, resource!.namespaced ? identity.namespace : '');
  }
}

async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}
