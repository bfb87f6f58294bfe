/**
 * What the API server knows of a built-in kind, as data and small functions. One folder per group/version holds its
 * kinds (`src/apis/<group or core>/<version>/<kind>.ts`): defaults and validation beside each other. Names, verbs,
 * storage keys, columns, schemas come from facts/; here stands only what facts cannot say.
 */
import type { FieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';

/** One served version of a kind. Everything is optional: facts alone make a kind that can be stored and served. */
export interface KindDefinition {
  /** Fills what the client left out, in place, as upstream's SetDefaults functions do. Also run when reading old storage. */
  setDefaults?(object: KubeObject): void;
  /** To and from the storage version, in place. Absent: the versions have the same shape. */
  toStorage?(object: KubeObject): void;
  fromStorage?(object: KubeObject): void;
}

/** How the objects of one resource live: shared by its versions; always sees the storage version. */
export interface Strategy {
  /** How `metadata.name` is checked. Default: 'dns-subdomain'. */
  nameRule?: NameRule;
  /** PUT and apply to a name that does not exist creates it (Lease, Event, …). Default false. */
  allowCreateOnUpdate?: boolean;
  /** An update without resourceVersion is accepted. Default true. */
  allowUnconditionalUpdate?: boolean;
  /** metadata.generation is kept: 1 at creation, +1 whenever `spec` (or what `generationOf` gives) changes. */
  hasGeneration?: boolean;
  generationOf?(object: KubeObject): unknown;
  /** Status is a subresource: a create drops it, an update keeps the old one, a status update keeps all else. */
  hasStatus?: boolean;
  /** Node: a kubelet creates it with its status. Default false. */
  keepsStatusAtCreation?: boolean;
  /** Drops or sets what a client may not choose. In place. */
  prepareForCreate?(object: KubeObject, requester: Requester): void;
  prepareForUpdate?(object: KubeObject, old: KubeObject): void;
  /** Also through `approval`. `now` in ms since the epoch. */
  prepareForStatusUpdate?(object: KubeObject, old: KubeObject, now: number): void;
  /** Beyond ObjectMeta, which the registry checks. */
  validate?(object: KubeObject): FieldError[];
  validateUpdate?(object: KubeObject, old: KubeObject): FieldError[];
  validateStatusUpdate?(object: KubeObject, old: KubeObject): FieldError[];
  /** Updates through other subresources that write the object itself (`ephemeralcontainers`, `resize`), by name. */
  validateSubresource?: Record<string, (object: KubeObject, old: KubeObject) => FieldError[]>;
  /** Texts for the response's Warning headers. */
  warnings?(object: KubeObject, old?: KubeObject): string[];
  /** Beyond metadata.name and metadata.namespace. */
  selectableFields?(object: KubeObject): Record<string, string>;
  /** Cells of the Table, in the order of facts/table-columns.json. `now` in ms since the epoch, for ages. */
  tableRow?(object: KubeObject, now: number): unknown[];
  /** The row's `conditions` in a Table: pods that are over are `Completed`. Absent: none. */
  tableRowConditions?(object: KubeObject): { type: string; status: string; reason: string; message: string }[];
  /** metadata.deletionGracePeriodSeconds for a graceful deletion; absent or 0: at once. `options` is DeleteOptions' value. */
  gracePeriodSeconds?(object: KubeObject, requested: number | undefined): number;
  /** What a deletion does to dependents when the client does not say. Default 'background'. */
  defaultPropagation?: 'background' | 'orphan';
  /** Seconds the store keeps an object (Event). The API server's --event-ttl replaces Event's. */
  ttlSeconds?(object: KubeObject): number;
  /** The scale subresource: where spec.replicas, status.replicas and the selector are. */
  scale?: ScalePaths;
}

/** Who makes an object, where the object says so. */
export interface Requester {
  name: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

export type NameRule = 'dns-subdomain' | 'dns-label' | 'dns-1035-label' | 'path-segment' | 'rbac';

export interface ScalePaths {
  specReplicas: string;
  statusReplicas: string;
  /** A LabelSelector object or, for ReplicationController, a map. */
  selector: string;
}

/** A row of facts/resources.json, subresources folded in. The whole table is `scheme.ts`. */
export interface ResourceInfo {
  group: string;
  version: string;
  resource: string;
  kind: string;
  singular: string;
  namespaced: boolean;
  shortNames: string[];
  categories: string[];
  verbs: string[];
  /** `status`, `scale`, `binding`, …: name to what it serves. */
  subresources: Map<string, SubresourceInfo>;
  /** OpenAPI name of the kind's schema, `io.k8s.api.core.v1.Pod`. */
  schema: string;
  /** `/registry/pods/` or undefined: not stored (reviews). */
  storagePrefix: string | undefined;
  storage: { group: string; version: string; kind: string } | undefined;
  storageVersionHash: string | undefined;
  preferredVersion: boolean;
}

export interface SubresourceInfo {
  name: string;
  verbs: string[];
  responseKind: { group: string; version: string; kind: string };
}
