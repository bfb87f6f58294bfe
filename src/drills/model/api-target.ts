/** ConfigMaps of one namespace through the Kubernetes API: of single API servers, of a load balancer, or of both. */
import { isStatusError } from '#apimachinery/status-error.ts';
import type { ApiClient, ListParams, ResourceClient, WatchParams } from '#client/client.ts';
import type {
  Contents,
  Delete,
  Failed,
  Freshness,
  Get,
  List,
  Operation,
  Outcome,
  Patch,
  Stored,
  WatchStart,
} from './history.ts';
import type { Target, TargetOffers, TargetServer, TargetSink, WatchRequest } from './target.ts';

export interface ApiTargetOptions {
  namespace: string;
  servers: readonly TargetServer[];
  /** A connection of its own for each client and server. */
  connect(server: TargetServer): ApiClient;
}

interface ConfigMap {
  apiVersion: string;
  kind: string;
  metadata: {
    name?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  data?: Record<string, string>;
}

const configMaps = { group: '', version: 'v1', resource: 'configmaps' };
const initialEventsEnd = 'k8s.io/initial-events-end';

export class ApiTarget implements Target {
  readonly prefix: string;
  readonly servers: readonly TargetServer[];
  readonly offers: TargetOffers = {
    operations: { get: 5, list: 3, create: 3, update: 4, patch: 2, delete: 2 },
    freshness: { consistent: 6, any: 2, atLeast: 1, exact: 1 },
    selectors: true,
    uids: true,
    initialEvents: true,
  };
  #options: ApiTargetOptions;
  #clients = new Map<string, ApiClient>();
  /** By the id of who asked: where the list of this client goes on. */
  #continues = new Map<string, string>();

  constructor(options: ApiTargetOptions) {
    this.#options = options;
    this.servers = options.servers;
    this.prefix = configMapPrefix(options.namespace);
  }

  async perform(operation: Operation, at: TargetServer, client: string): Promise<Outcome> {
    try {
      return await this.#perform(operation, this.#resource(at, client), at, client);
    } catch (error) {
      return outcomeOf(error);
    }
  }

  async watch(
    { labelSelector, start }: WatchRequest,
    at: TargetServer,
    client: string,
    sink: TargetSink,
    signal: AbortSignal,
  ): Promise<void> {
    const params: WatchParams = { ...startParams(start), allowWatchBookmarks: true, signal };
    if (labelSelector !== undefined) params.labelSelector = labelSelector;
    try {
      for await (const { type, object } of this.#resource(at, client).watch(params)) {
        const { resourceVersion, annotations } = object.metadata;
        if (type === 'BOOKMARK') sink.bookmark(Number(resourceVersion), annotations?.[initialEventsEnd] === 'true');
        else if (type !== 'ERROR') sink.event({ type, ...this.#stored(object as ConfigMap) });
      }
    } catch (error) {
      sink.error(isStatusError(error) && error.code === 410 ? 'expired' : 'other', String(error));
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  async #perform(
    operation: Operation,
    resource: ResourceClient<any>,
    at: TargetServer,
    client: string,
  ): Promise<Outcome> {
    switch (operation.type) {
      case 'get':
        return this.#get(operation, resource);
      case 'list':
        return this.#list(operation, resource, client);
      case 'create':
        return this.#written(await resource.create(this.#object(operation.key, operation.contents)));
      case 'update':
        return this.#written(await resource.update(this.#object(operation.key, operation.contents, operation)));
      case 'patch': {
        const patch = patchBody(operation);
        return this.#written(await resource.patch(this.#name(operation.key), 'application/merge-patch+json', patch));
      }
      case 'delete':
        return this.#delete(operation, at, client);
      default:
        return { type: 'failed', reason: 'refused', message: `the API has no ${operation.type}` };
    }
  }

  async #get({ key, freshness }: Get, resource: ResourceClient<any>): Promise<Outcome> {
    // A get of an exact revision is a list of one: the API has no other.
    if (typeof freshness === 'object' && 'exact' in freshness) {
      const params = { ...freshnessParams(freshness), fieldSelector: `metadata.name=${this.#name(key)}` };
      const { items } = await resource.list(params);
      return { type: 'ok', object: items[0] ? this.#stored(items[0]) : null };
    }
    const { resourceVersion } = freshnessParams(freshness);
    return {
      type: 'ok',
      object: this.#stored(
        await resource.get(this.#name(key), { ...(resourceVersion !== undefined && { resourceVersion }) }),
      ),
    };
  }

  async #list(list: List, resource: ResourceClient<any>, client: string): Promise<Outcome> {
    const token = list.continues === undefined ? undefined : this.#continues.get(client);
    this.#continues.delete(client);
    if (list.continues !== undefined && token === undefined)
      return { type: 'failed', reason: 'refused', message: 'no token' };
    const params: ListParams = token === undefined ? freshnessParams(list.freshness) : { continue: token };
    if (list.labelSelector !== undefined) params.labelSelector = list.labelSelector;
    if (list.limit !== undefined) params.limit = list.limit;
    const { metadata, items } = await resource.list(params);
    if (metadata.continue) this.#continues.set(client, metadata.continue);
    return {
      type: 'ok',
      revision: Number(metadata.resourceVersion),
      objects: items.map((item) => this.#stored(item as ConfigMap)),
      more: Boolean(metadata.continue),
    };
  }

  async #delete(operation: Delete, at: TargetServer, client: string): Promise<Outcome> {
    const { key, revision, uid } = operation;
    const preconditions = {
      ...(revision !== undefined && { resourceVersion: String(revision) }),
      ...(uid !== undefined && { uid }),
    };
    const path = `/api/v1/namespaces/${this.#options.namespace}/configmaps/${this.#name(key)}`;
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions };
    const answer = JSON.parse((await this.#client(at, client).raw('DELETE', path, { body })).body);
    const deleted = answer.details?.uid;
    return { type: 'ok', ...(deleted !== undefined && { uid: deleted }) };
  }

  #written(object: ConfigMap): Outcome {
    const stored = this.#stored(object);
    return { type: 'ok', revision: stored.revision, object: stored };
  }

  #resource(at: TargetServer, client: string): ResourceClient<any> {
    return this.#client(at, client).resource(configMaps, this.#options.namespace);
  }

  #client(at: TargetServer, client: string): ApiClient {
    const id = `${client}@${this.servers.indexOf(at)}`;
    let connection = this.#clients.get(id);
    if (!connection) {
      connection = this.#options.connect(at);
      this.#clients.set(id, connection);
    }
    return connection;
  }

  #name(key: string): string {
    return key.slice(this.prefix.length);
  }

  #object(key: string, { data, labels }: Contents, guard: { revision?: number; uid?: string } = {}): ConfigMap {
    const { revision, uid } = guard;
    const metadata = {
      name: this.#name(key),
      ...(labels && { labels: { ...labels } }),
      ...(revision !== undefined && { resourceVersion: String(revision) }),
      ...(uid !== undefined && { uid }),
    };
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { ...data } };
  }

  #stored(object: ConfigMap): Stored {
    const { name, uid, resourceVersion } = object.metadata;
    return {
      key: this.prefix + name,
      revision: Number(resourceVersion),
      contents: configMapContents(object),
      ...(uid !== undefined && { uid }),
    };
  }
}

/** As the store has them too, below `/registry/`. */
export function configMapPrefix(namespace: string): string {
  return `configmaps/${namespace}/`;
}

export function configMapContents({ data = {}, metadata }: ConfigMap): Contents {
  const { labels } = metadata;
  return labels && Object.keys(labels).length > 0 ? { data, labels } : { data };
}

function patchBody({ data, labels, revision }: Patch): object {
  const metadata = { ...(labels && { labels }), ...(revision !== undefined && { resourceVersion: String(revision) }) };
  return { ...(data && { data }), metadata };
}

function freshnessParams(freshness: Freshness): Pick<ListParams, 'resourceVersion' | 'resourceVersionMatch'> {
  if (freshness === 'consistent') return {};
  if (freshness === 'any') return { resourceVersion: '0' };
  if ('exact' in freshness) return { resourceVersion: String(freshness.exact), resourceVersionMatch: 'Exact' };
  return { resourceVersion: String(freshness.atLeast), resourceVersionMatch: 'NotOlderThan' };
}

function startParams(start: WatchStart): WatchParams {
  if ('after' in start) return { resourceVersion: String(start.after) };
  const { initial } = start;
  if (initial === 'consistent') return { sendInitialEvents: true };
  return { sendInitialEvents: true, resourceVersion: initial === 'any' ? '0' : String(initial.atLeast) };
}

/** Only what the server refused for the request's own fault is certainly without effect. */
function outcomeOf(error: unknown): Outcome {
  const message = String(error);
  if (!isStatusError(error)) return { type: 'unknown', message };
  const reasons: Partial<Record<number, Failed['reason']>> = { 404: 'absent', 410: 'expired' };
  if (error.code === 409)
    return { type: 'failed', reason: error.reason === 'AlreadyExists' ? 'exists' : 'conflict', message };
  if (error.code < 500) return { type: 'failed', reason: reasons[error.code] ?? 'refused', message };
  return { type: 'unknown', message };
}
