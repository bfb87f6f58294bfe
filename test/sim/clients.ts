/** Programs that use the storage as the API's clients do, through servers that may die on them, and write down what they saw. */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { sleep } from '#base/clock.ts';
import type { Failed, Freshness, Operation, Outcome } from '#drills/model/history.ts';
import type { ListResult, StoredObject } from '#storage/storage.ts';
import type { ApiServer } from './api-server.ts';
import type { Action, ClientPlan, ReadFreshness, Step } from './plan.ts';
import { contentsOf, storedOf } from './recorder.ts';
import type { World } from './world.ts';

type Api<D extends Action['do']> = Action & { do: D };

/** Pages of one list; more would be a list without end. */
const pagesMax = 20;

export async function runClient(world: World, plan: ClientPlan): Promise<void> {
  const client = new ApiClient(world, plan.name);
  for (const step of plan.steps) {
    await sleep(world.clients.clock, step.waitMs);
    await client.do(step);
  }
}

class ApiClient {
  readonly #world: World;
  readonly #name: string;
  /** The newest revision this client saw of each key, and of all. */
  readonly #seen = new Map<string, number>();
  #newest = 0;
  #pages = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
  }

  do(step: Step): Promise<void> {
    const { action } = step;
    switch (action.do) {
      case 'get':
        return this.#get(step, action);
      case 'list':
        return this.#list(step, action);
      case 'create':
        return this.#create(step, action);
      case 'put':
      case 'patch':
      case 'update':
      case 'delete':
        return this.#change(step, action);
      default:
        throw new Error(`not for an API client: ${action.do}`);
    }
  }

  async #get({ id, server }: Step, { key, freshness }: Api<'get'>): Promise<void> {
    await this.#ask(id, server, { type: 'get', key, freshness: this.#freshness(freshness) }, async (api) => {
      const entry = await api.storage(key).get(key, { revision: this.#revision(freshness) });
      return { type: 'ok', object: entry ? this.#see(entry) : null };
    });
  }

  async #list({ id, server }: Step, action: Api<'list'>): Promise<void> {
    const { prefix, limit, color } = action;
    const exact = action.freshness === 'exact' && this.#newest > 0 ? this.#newest : undefined;
    const wanted: ReadFreshness = action.freshness === 'exact' ? 'consistent' : action.freshness;
    const revision = exact ?? this.#revision(wanted);
    // A limit with a revision means that very revision, as upstream has it.
    const isExact = exact !== undefined || (limit > 0 && revision !== undefined && revision > 0);
    const freshness: Freshness = isExact ? { exact: revision! } : this.#freshness(wanted);
    const filter = color === undefined ? undefined : (entry: StoredObject) => entry.labels?.['color'] === color;
    let continueToken: string | undefined;
    let continues: number | undefined;
    for (let page = 0; page < pagesMax; page++) {
      const pageId = page === 0 ? id : 1_000_000 + ++this.#pages + 10_000 * Number(this.#name.split('-')[1]);
      const operation: Operation = {
        type: 'list',
        prefix,
        freshness,
        ...(limit > 0 ? { limit } : {}),
        ...(color ? { labelSelector: `color=${color}` } : {}),
        ...(continues === undefined ? {} : { continues }),
      };
      let result: ListResult | undefined;
      await this.#ask(pageId, page === 0 ? server : server + page, operation, async (api) => {
        result = await api.storage(prefix).list({
          prefix,
          limit,
          filter,
          ...(continueToken ? { continueToken } : { revision, ...(exact ? { match: 'Exact' as const } : {}) }),
        });
        const objects = result.entries.map((entry) => this.#see(entry));
        return { type: 'ok', revision: result.revision, objects, more: result.continueToken !== undefined };
      });
      if (result) this.#newest = Math.max(this.#newest, result.revision);
      if (!result?.continueToken) return;
      continueToken = result.continueToken;
      continues = pageId;
    }
  }

  async #create({ id, server }: Step, { key, color, ttlSeconds }: Api<'create'>): Promise<void> {
    const object = objectOf(key, id, color);
    await this.#ask(id, server, { type: 'create', key, contents: contentsOf(object) }, async (api) => {
      const options = ttlSeconds === undefined ? {} : { ttlSeconds };
      if (ttlSeconds !== undefined) this.#world.expires(id, key, ttlSeconds);
      const entry = await api.storage(key).create(key, object, options);
      if (!entry) return { type: 'failed', reason: 'exists' };
      return { type: 'ok', revision: entry.revision, object: this.#see(entry) };
    });
  }

  async #change({ id, server }: Step, action: Api<'put' | 'patch' | 'update' | 'delete'>): Promise<void> {
    const { key, color } = action;
    const revision = 'expects' in action && action.expects ? this.#seen.get(key) : undefined;
    const object = objectOf(key, id, color);
    const expected = revision === undefined ? {} : { revision };
    const operations: Record<typeof action.do, Operation> = {
      put: { type: 'put', key, contents: contentsOf(object) },
      patch: { type: 'patch', key, data: { [`by-${this.#name}`]: String(id) } },
      update: { type: 'update', key, contents: contentsOf(object), ...expected },
      delete: { type: 'delete', key, ...expected },
    };
    await this.#ask(id, server, operations[action.do], async (api) => {
      const entry = await api.storage(key).guaranteedUpdate(key, (current, at) => {
        if (!current && action.do !== 'put') throw new Refusal('absent');
        if (revision !== undefined && at !== revision) throw new Refusal('conflict');
        if (action.do === 'delete') return undefined;
        if (!current) return object;
        const { data } = current as KubeObject & { data: Record<string, string> };
        if (action.do === 'patch') return { ...current, data: { ...data, [`by-${this.#name}`]: String(id) } };
        return { ...object, metadata: { ...object.metadata, uid: current.metadata.uid } };
      });
      if (action.do === 'delete') return { type: 'ok' };
      return { type: 'ok', revision: entry!.revision, object: this.#see(entry!) };
    });
  }

  /** Asks one server, once, and writes down what became of it. */
  async #ask(
    id: number,
    server: number,
    operation: Operation,
    ask: (api: ApiServer) => Promise<Outcome>,
  ): Promise<void> {
    const api = this.#world.server(server);
    const done = this.#world.recorder.begin(id, this.#name, api?.process.name, operation);
    const answer = await this.#world.call(api, ask);
    const isRead = operation.type === 'get' || operation.type === 'list';
    if (answer === 'refused') done({ type: 'failed', reason: 'refused', message: 'connection refused' });
    else if (answer === 'lost') done({ type: 'unknown', message: 'connection lost' });
    else if ('value' in answer) done(answer.value);
    else done(outcomeOf(answer.error, isRead, (error) => this.#world.violation('internal error', error)));
  }

  #see(entry: StoredObject) {
    const { key, revision } = entry;
    this.#seen.set(key, Math.max(revision, this.#seen.get(key) ?? 0));
    this.#newest = Math.max(this.#newest, revision);
    return storedOf(entry);
  }

  #freshness(wanted: ReadFreshness): Freshness {
    return wanted !== 'seen' ? wanted : this.#newest === 0 ? 'consistent' : { atLeast: this.#newest };
  }

  #revision(wanted: ReadFreshness): number | undefined {
    if (wanted === 'any') return 0;
    return wanted === 'consistent' || this.#newest === 0 ? undefined : this.#newest;
  }
}

/** Says no within a change, as a registry does. */
class Refusal extends Error {
  readonly reason: Failed['reason'];

  constructor(reason: Failed['reason']) {
    super(reason);
    this.reason = reason;
  }
}

function outcomeOf(error: unknown, isRead: boolean, onInternal: (error: unknown) => void): Outcome {
  if (error instanceof Refusal) return { type: 'failed', reason: error.reason };
  const message = error instanceof Error ? error.message : String(error);
  if (isStatusError(error, 'Expired')) return { type: 'failed', reason: 'expired', message };
  // 504: the outcome of a write is not known. 503: it was certainly not done.
  if (isStatusError(error, 'Timeout'))
    return isRead ? { type: 'failed', reason: 'refused', message } : { type: 'unknown', message };
  const isNoSpace = isStatusError(error) && error.status.code === 507;
  if (isNoSpace || isStatusError(error, 'ServiceUnavailable')) return { type: 'failed', reason: 'refused', message };
  onInternal(error);
  return { type: 'unknown', message };
}

export function objectOf(key: string, id: number, color: string): KubeObject {
  const [namespace, name] = key.split('/').slice(-2);
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: name!, namespace: namespace!, uid: `uid-${id}`, labels: { color } },
    data: { by: String(id) },
  } as KubeObject;
}
