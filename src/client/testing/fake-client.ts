/**
 * An ApiClient over objects in memory, with the API server's rules that controllers rely on: resourceVersion and
 * conflicts, generateName, uid, generation, finalizers, status apart from spec, watches that resume or expire.
 * `intercept` sees every call first: throw there to fail it, await there to delay it.
 */
import { randomUUID } from 'node:crypto';
import { formatGroupVersion, type GroupVersionResource } from '#apimachinery/group-version.ts';
import type { KubeList, KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type {
  ApiClient,
  DeleteParams,
  ListParams,
  PatchType,
  RawResponse,
  ResourceClient,
  WatchEvent,
  WatchParams,
} from '../client.ts';
import { discoveryOf, type FakeServedKind } from './fake-discovery.ts';
import { applyPatch } from './fake-patch.ts';
import { matchesSelectors } from './fake-selectors.ts';

export interface FakeAction {
  verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection' | 'post' | 'put';
  gvr: GroupVersionResource;
  namespace: string;
  name?: string;
  subresource?: string;
  object?: KubeObject;
}

export interface FakeClientOptions {
  intercept?(action: FakeAction): void | Promise<void>;
  /** Milliseconds for creationTimestamp. Default: a fixed moment. */
  now?(): number;
  /** How many past changes a watch can go back. Default 10000. */
  historyEventsMax?: number;
  /** Deleted gracefully: marked, and gone only when deleted again with gracePeriodSeconds 0, as pods with a kubelet. */
  isGraceful?(object: KubeObject): boolean;
}

interface Change {
  revision: number;
  resource: string;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: KubeObject;
  /** For selectors: an object that stops matching is DELETED to that watcher. */
  old: KubeObject | undefined;
}

export class FakeClient implements ApiClient {
  /** Every call, oldest first, for assertions. */
  readonly actions: FakeAction[] = [];
  /** What discovery tells. */
  served: FakeServedKind[] = [];
  readonly isGraceful: (object: KubeObject) => boolean;
  intercept: ((action: FakeAction) => void | Promise<void>) | undefined;
  #now: () => number;
  #historyMax: number;
  #revision = 0;
  #tables = new Map<string, Map<string, KubeObject>>();
  #history: Change[] = [];
  #watchers = new Set<() => void>();
  #broken = 0;

  constructor(options: FakeClientOptions = {}) {
    this.intercept = options.intercept;
    this.#now = options.now ?? (() => Date.UTC(2026, 0, 1));
    this.#historyMax = options.historyEventsMax ?? 10_000;
    this.isGraceful = options.isGraceful ?? (() => false);
  }

  resource<T extends KubeObject>(gvr: GroupVersionResource, namespace = ''): ResourceClient<T> {
    return new FakeResource(this, gvr, namespace) as unknown as ResourceClient<T>;
  }

  async raw(method: string, path: string): Promise<RawResponse> {
    if (method === 'GET' && (path === '/api' || path === '/apis')) {
      return { status: 200, headers: {}, body: JSON.stringify(discoveryOf(this.served, path === '/api')) };
    }
    throw new Error(`the fake client has no ${method} ${path}`);
  }

  close(): void {
    this.breakWatches();
  }

  /** All watches end as if their connection were lost. */
  breakWatches(): void {
    this.#broken++;
    for (const wake of this.#watchers) wake();
  }

  /** Forgets the past: watches from before now get 410. */
  compact(): void {
    this.#history = [];
  }

  get revision(): number {
    return this.#revision;
  }

  async act(action: FakeAction): Promise<void> {
    this.actions.push(action);
    await this.intercept?.(action);
  }

  table(gvr: GroupVersionResource): Map<string, KubeObject> {
    const key = tableKey(gvr);
    let table = this.#tables.get(key);
    if (!table) {
      table = new Map();
      this.#tables.set(key, table);
    }
    return table;
  }

  write(gvr: GroupVersionResource, object: KubeObject): KubeObject {
    const old = this.table(gvr).get(keyOf(object));
    const stored = structuredClone(object);
    stored.metadata.resourceVersion = String(++this.#revision);
    stored.metadata.creationTimestamp ??= `${new Date(this.#now()).toISOString().slice(0, 19)}Z`;
    this.table(gvr).set(keyOf(stored), stored);
    this.#record(gvr, old ? 'MODIFIED' : 'ADDED', stored, old);
    return structuredClone(stored);
  }

  drop(gvr: GroupVersionResource, object: KubeObject): void {
    this.table(gvr).delete(keyOf(object));
    const last = structuredClone(object);
    last.metadata.resourceVersion = String(++this.#revision);
    this.#record(gvr, 'DELETED', last, object);
  }

  timestamp(): string {
    return `${new Date(this.#now()).toISOString().slice(0, 19)}Z`;
  }

  async *events(gvr: GroupVersionResource, namespace: string, params: WatchParams): AsyncGenerator<WatchEvent> {
    const { signal } = params;
    const matches = (object: KubeObject | undefined) =>
      object !== undefined &&
      (namespace === '' || object.metadata.namespace === namespace) &&
      matchesSelectors(object, params);
    const broken = this.#broken;
    let from = Number(params.resourceVersion ?? this.#revision);
    if (params.sendInitialEvents) {
      from = this.#revision;
      const initial = [...this.table(gvr).values()].filter(matches);
      for (const object of initial) yield { type: 'ADDED', object: structuredClone(object) };
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      yield { type: 'BOOKMARK', object: { ...bare(gvr), metadata: { resourceVersion: String(from), annotations } } };
    }
    let wake = () => {};
    const woken = () => wake();
    this.#watchers.add(woken);
    signal?.addEventListener('abort', woken, { once: true });
    try {
      for (;;) {
        if (signal?.aborted) return;
        if (this.#broken !== broken) throw new Error('the watch was cut off');
        const oldest = this.#history[0]?.revision ?? this.#revision + 1;
        if (from < oldest - 1) throw apiErrors.expired(`too old resource version: ${from} (${oldest})`);
        const next = this.#history[from - oldest + 1];
        if (!next) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        from = next.revision;
        if (next.resource !== tableKey(gvr)) continue;
        const isIn = next.type !== 'DELETED' && matches(next.object);
        const wasIn = matches(next.old);
        if (!isIn && !wasIn) continue;
        yield {
          type: isIn ? (wasIn ? 'MODIFIED' : 'ADDED') : 'DELETED',
          object: structuredClone(next.object),
        };
      }
    } finally {
      this.#watchers.delete(woken);
      signal?.removeEventListener('abort', woken);
    }
  }

  #record(gvr: GroupVersionResource, type: Change['type'], object: KubeObject, old: KubeObject | undefined): void {
    this.#history.push({ revision: this.#revision, resource: tableKey(gvr), type, object, old });
    if (this.#history.length > this.#historyMax) this.#history.shift();
    for (const wake of this.#watchers) wake();
  }
}

class FakeResource implements ResourceClient {
  #client: FakeClient;
  #gvr: GroupVersionResource;
  #namespace: string;

  constructor(client: FakeClient, gvr: GroupVersionResource, namespace: string) {
    this.#client = client;
    this.#gvr = gvr;
    this.#namespace = namespace;
  }

  async get(name: string): Promise<KubeObject> {
    await this.#act('get', { name });
    return structuredClone(this.#find(name));
  }

  async list(params: ListParams = {}): Promise<KubeList> {
    await this.#act('list');
    const items = this.#matching(params);
    return {
      apiVersion: formatGroupVersion(this.#gvr),
      kind: `${items[0]?.kind ?? ''}List`,
      metadata: { resourceVersion: String(this.#client.revision) },
      items: items.map((o) => structuredClone(o)),
    };
  }

  async *watch(params: WatchParams = {}): AsyncGenerator<WatchEvent> {
    await this.#act('watch');
    yield* this.#client.events(this.#gvr, this.#namespace, params);
  }

  async create(object: KubeObject): Promise<KubeObject> {
    await this.#act('create', { object });
    const created = structuredClone(object);
    const { metadata } = created;
    created.apiVersion ??= formatGroupVersion(this.#gvr);
    if (this.#namespace !== '') metadata.namespace = this.#namespace;
    metadata.name ??= `${metadata.generateName}${randomUUID().slice(0, 5)}`;
    if (this.#client.table(this.#gvr).has(keyOf(created))) throw apiErrors.alreadyExists(this.#gvr, metadata.name);
    metadata.uid = randomUUID();
    metadata.generation = 1;
    delete metadata.creationTimestamp;
    return this.#client.write(this.#gvr, created);
  }

  async update(object: KubeObject): Promise<KubeObject> {
    await this.#act('update', { name: object.metadata.name!, object });
    const old = this.#find(object.metadata.name!);
    const next = structuredClone(object);
    // Status is a subresource of the kinds that have one; those without it keep everything in the object.
    if (old.status !== undefined) next.status = old.status;
    return this.#replace(old, next);
  }

  async updateStatus(object: KubeObject): Promise<KubeObject> {
    await this.#act('update', { name: object.metadata.name!, subresource: 'status', object });
    const old = this.#find(object.metadata.name!);
    const resourceVersion = object.metadata.resourceVersion;
    return this.#replace(old, {
      ...structuredClone(old),
      metadata: { ...old.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
      status: structuredClone(object.status),
    });
  }

  async patch(
    name: string,
    type: PatchType,
    patch: unknown,
    params: { subresource?: string } = {},
  ): Promise<KubeObject> {
    await this.#act('patch', { name, ...params, object: patch as KubeObject });
    if (type === 'application/apply-patch+yaml' && !this.#client.table(this.#gvr).has(this.#key(name))) {
      return this.create({ ...(patch as KubeObject) });
    }
    const old = this.#find(name);
    const patched = applyPatch(old, type, patch);
    if (params.subresource === 'status') return this.#replace(old, { ...structuredClone(old), status: patched.status });
    return this.#replace(old, patched);
  }

  async delete(name: string, params: DeleteParams = {}): Promise<void> {
    await this.#act('delete', { name });
    const old = this.#find(name);
    const { uid, resourceVersion } = params.preconditions ?? {};
    if ((uid && uid !== old.metadata.uid) || (resourceVersion && resourceVersion !== old.metadata.resourceVersion)) {
      throw apiErrors.conflict(this.#gvr, name, 'the precondition does not hold');
    }
    this.#remove(old, params);
  }

  async deleteCollection(params: ListParams & DeleteParams = {}): Promise<void> {
    await this.#act('deletecollection');
    for (const object of this.#matching(params)) this.#remove(object, params);
  }

  async subresource<R>(method: 'GET' | 'POST' | 'PUT', name: string, subresource: string, body?: unknown): Promise<R> {
    const verb = ({ GET: 'get', POST: 'post', PUT: 'put' } as const)[method];
    await this.#act(verb, { name, subresource, object: body as KubeObject });
    const old = this.#find(name);
    if (subresource === 'binding') return this.#bind(old, body as KubeObject) as R;
    if (subresource === 'eviction') {
      this.#remove(old, {});
      return { kind: 'Status', apiVersion: 'v1', status: 'Success' } as R;
    }
    if (subresource === 'scale') {
      if (method === 'PUT') {
        const next = structuredClone(old);
        next.spec.replicas = (body as KubeObject).spec.replicas;
        this.#replace(old, next);
      }
      return { kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: this.#find(name).spec.replicas } } as R;
    }
    if (subresource === 'finalize') return this.#replace(old, { ...structuredClone(body as KubeObject) }) as R;
    throw new Error(`the fake client has no subresource ${subresource}`);
  }

  #bind(pod: KubeObject, binding: KubeObject): unknown {
    if (pod.spec.nodeName) {
      throw apiErrors.conflict(this.#gvr, pod.metadata.name!, `pod is already assigned to node "${pod.spec.nodeName}"`);
    }
    const next = structuredClone(pod);
    next.spec.nodeName = binding['target'].name;
    const others = (next.status?.conditions ?? []).filter((c: { type: string }) => c.type !== 'PodScheduled');
    next.status = { ...next.status, conditions: [...others, { type: 'PodScheduled', status: 'True' }] };
    this.#client.write(this.#gvr, next);
    return { kind: 'Status', apiVersion: 'v1', status: 'Success', code: 201 };
  }

  #replace(old: KubeObject, next: KubeObject): KubeObject {
    const expected = next.metadata.resourceVersion;
    if (expected && expected !== old.metadata.resourceVersion) {
      const why = 'the object has been modified; please apply your changes to the latest version and try again';
      throw apiErrors.conflict(this.#gvr, old.metadata.name!, why);
    }
    const { uid, creationTimestamp, deletionTimestamp, generation } = old.metadata;
    Object.assign(next.metadata, { uid, creationTimestamp, ...(deletionTimestamp && { deletionTimestamp }) });
    if (old.metadata.namespace) next.metadata.namespace = old.metadata.namespace;
    const isSpecChanged = JSON.stringify(next['spec']) !== JSON.stringify(old['spec']);
    next.metadata.generation = (generation ?? 1) + (isSpecChanged ? 1 : 0);
    const isGraceOver = !old.metadata.deletionGracePeriodSeconds;
    if (deletionTimestamp && isGraceOver && !isHeld(next)) {
      this.#client.drop(this.#gvr, next);
      return next;
    }
    return this.#client.write(this.#gvr, next);
  }

  #remove(object: KubeObject, params: DeleteParams): void {
    const { propagationPolicy, gracePeriodSeconds } = params;
    const next = structuredClone(object);
    const finalizers = [...(next.metadata.finalizers ?? [])];
    if (propagationPolicy === 'Foreground') finalizers.push('foregroundDeletion');
    if (propagationPolicy === 'Orphan') finalizers.push('orphan');
    if (finalizers.length > 0) next.metadata.finalizers = [...new Set(finalizers)];
    const isGraceful = gracePeriodSeconds !== 0 && this.#client.isGraceful(object);
    if (!isGraceful && !isHeld(next)) {
      this.#client.drop(this.#gvr, object);
      return;
    }
    if (object.metadata.deletionTimestamp) return;
    next.metadata.deletionTimestamp = this.#client.timestamp();
    if (isGraceful) next.metadata.deletionGracePeriodSeconds = gracePeriodSeconds ?? 30;
    if (next.kind === 'Namespace') next.status = { ...next.status, phase: 'Terminating' };
    this.#client.write(this.#gvr, next);
  }

  #matching(params: ListParams): KubeObject[] {
    return [...this.#client.table(this.#gvr).values()].filter(
      (o) => (this.#namespace === '' || o.metadata.namespace === this.#namespace) && matchesSelectors(o, params),
    );
  }

  #find(name: string): KubeObject {
    const found = this.#client.table(this.#gvr).get(this.#key(name));
    if (!found) throw apiErrors.notFound(this.#gvr, name);
    return found;
  }

  #key(name: string): string {
    return this.#namespace === '' ? name : `${this.#namespace}/${name}`;
  }

  #act(verb: FakeAction['verb'], more: Partial<FakeAction> = {}): Promise<void> {
    return this.#client.act({ verb, gvr: this.#gvr, namespace: this.#namespace, ...more });
  }
}

/** By its finalizers, or a namespace's own. */
function isHeld(object: KubeObject): boolean {
  return Boolean(object.metadata.finalizers?.length || object['spec']?.finalizers?.length);
}

function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name!;
}

function tableKey(gvr: GroupVersionResource): string {
  return `${gvr.group}/${gvr.resource}`;
}

function bare(gvr: GroupVersionResource): Pick<KubeObject, 'apiVersion' | 'kind'> {
  return { apiVersion: formatGroupVersion(gvr), kind: '' };
}
