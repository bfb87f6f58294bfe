/**
 * Who owns whom: one node per object, by uid, fed by informers. An owner that is only known from a dependent's
 * reference stands in the graph as `virtual` until it is seen, or its last dependent is gone.
 */
import type { KubeObject, OwnerReference } from '#apimachinery/object.ts';
import type { ServedResource } from '../api-resources.ts';

export interface ObjectIdentity {
  uid: string;
  apiVersion: string;
  kind: string;
  namespace: string;
  name: string;
}

export interface GraphNode {
  identity: ObjectIdentity;
  /** Undefined while virtual. */
  resource: ServedResource | undefined;
  owners: readonly OwnerReference[];
  dependents: Set<GraphNode>;
  virtual: boolean;
  beingDeleted: boolean;
  /** It has finalizer foregroundDeletion and is being deleted: its dependents go first. */
  deletingDependents: boolean;
  /** It has finalizer orphan and is being deleted: its dependents are let go. */
  orphaning: boolean;
}

export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** Owners that were never seen. */
  *virtual(): Generator<GraphNode> {
    for (const node of this.#nodes.values()) if (node.virtual) yield node;
  }

  /** `wasOwnedBy`: its owner references before. `isChanged`: in a way that matters to the collector. */
  upsert(
    object: KubeObject,
    resource: ServedResource,
    apiVersion: string,
  ): { node: GraphNode; wasOwnedBy: readonly OwnerReference[]; isChanged: boolean } {
    const { metadata } = object;
    const uid = metadata.uid!;
    const identity = {
      uid,
      apiVersion,
      kind: resource.kind,
      namespace: metadata.namespace ?? '',
      name: metadata.name!,
    };
    const node = this.#nodes.get(uid) ?? this.#add(identity);
    const wasOwnedBy = node.owners;
    const before = [node.virtual, node.deletingDependents, node.orphaning];
    node.identity = identity;
    node.resource = resource;
    node.virtual = false;
    this.#setOwners(node, metadata.ownerReferences ?? []);
    const finalizers = metadata.finalizers ?? [];
    node.beingDeleted = metadata.deletionTimestamp !== undefined;
    node.deletingDependents = node.beingDeleted && finalizers.includes('foregroundDeletion');
    node.orphaning = node.beingDeleted && finalizers.includes('orphan');
    const now = [node.virtual, node.deletingDependents, node.orphaning];
    const isChanged = now.some((value, i) => value !== before[i]) || !areSame(wasOwnedBy, node.owners);
    return { node, wasOwnedBy, isChanged };
  }

  /** The object is gone. Its dependents, for whoever must now look at them. */
  remove(uid: string): GraphNode[] {
    const node = this.#nodes.get(uid);
    if (!node) return [];
    this.#setOwners(node, []);
    this.#nodes.delete(uid);
    return [...node.dependents];
  }

  #add(identity: ObjectIdentity): GraphNode {
    const node: GraphNode = {
      identity,
      resource: undefined,
      owners: [],
      dependents: new Set(),
      virtual: true,
      beingDeleted: false,
      deletingDependents: false,
      orphaning: false,
    };
    this.#nodes.set(identity.uid, node);
    return node;
  }

  #setOwners(node: GraphNode, owners: readonly OwnerReference[]): void {
    for (const before of node.owners) {
      if (owners.some((o) => o.uid === before.uid)) continue;
      const owner = this.#nodes.get(before.uid);
      owner?.dependents.delete(node);
      if (owner?.virtual && owner.dependents.size === 0) this.#nodes.delete(before.uid);
    }
    for (const reference of owners) {
      const { uid, apiVersion, kind, name } = reference;
      const owner =
        this.#nodes.get(uid) ?? this.#add({ uid, apiVersion, kind, name, namespace: node.identity.namespace });
      owner.dependents.add(node);
    }
    node.owners = owners;
  }
}

function areSame(a: readonly OwnerReference[], b: readonly OwnerReference[]): boolean {
  return (
    a.length === b.length && a.every((o, i) => o.uid === b[i]!.uid && o.blockOwnerDeletion === b[i]!.blockOwnerDeletion)
  );
}
