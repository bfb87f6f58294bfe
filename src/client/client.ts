/**
 * What controllers, the scheduler, the kubelet and the command line use of the API: the resource calls of client-go's
 * dynamic client, over plain objects. `rest.ts` makes one from a kubeconfig; testing/fake-client.ts keeps objects in
 * memory with the same rules of resourceVersion.
 */
import type { GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeList, KubeObject, WatchEventType } from '#apimachinery/object.ts';

export interface ApiClient {
  /** `namespace` '' : cluster-scoped resources, or (list, watch) all namespaces. */
  resource<T extends KubeObject = KubeObject>(gvr: GroupVersionResource, namespace?: string): ResourceClient<T>;
  /** Anything else: discovery, health, subresources with odd bodies. Throws StatusError for status >= 400. */
  raw(method: string, path: string, options?: RawOptions): Promise<RawResponse>;
  close(): void;
}

export interface RawOptions {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  timeoutMs?: number;
}

export interface RawResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface ListParams {
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  signal?: AbortSignal;
}

export interface WatchParams {
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
  sendInitialEvents?: boolean;
  allowWatchBookmarks?: boolean;
  timeoutSeconds?: number;
  signal?: AbortSignal;
}

export interface DeleteParams {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  preconditions?: { uid?: string; resourceVersion?: string };
}

export type PatchType =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json'
  | 'application/apply-patch+yaml';

/** Every method throws StatusError for the server's refusals and a plain Error (with `cause`) for lost connections. */
export interface ResourceClient<T extends KubeObject = KubeObject> {
  get(name: string, params?: { resourceVersion?: string; signal?: AbortSignal }): Promise<T>;
  list(params?: ListParams): Promise<KubeList<T>>;
  /** Ends when the server ends it or the signal aborts; throws StatusError on an ERROR event (Expired, …). */
  watch(params?: WatchParams): AsyncIterable<WatchEvent<T>>;
  create(object: T, params?: { fieldManager?: string }): Promise<T>;
  update(object: T): Promise<T>;
  updateStatus(object: T): Promise<T>;
  patch(
    name: string,
    type: PatchType,
    patch: unknown,
    params?: { subresource?: string; fieldManager?: string; force?: boolean },
  ): Promise<T>;
  delete(name: string, params?: DeleteParams): Promise<void>;
  deleteCollection(params?: ListParams & DeleteParams): Promise<void>;
  /** POST or PUT to a subresource: `binding`, `eviction`, `token`, `scale`. */
  subresource<R = unknown>(
    method: 'GET' | 'POST' | 'PUT',
    name: string,
    subresource: string,
    body?: unknown,
  ): Promise<R>;
}

export interface WatchEvent<T extends KubeObject = KubeObject> {
  type: WatchEventType;
  object: T;
}
