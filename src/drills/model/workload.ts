/** What one client asks for next: few objects, so that clients meet; guards that are right and guards gone stale. */
import type { Contents, Freshness, List, Operation, Outcome, Stored, TxnStep, WatchStart } from './history.ts';
import type { SeededRandom } from './random.ts';
import type { TargetOffers } from './target.ts';

export const colors = ['red', 'blue'] as const;
const selectors = [undefined, undefined, 'color=red', 'color!=red'];

export class Workload {
  #client: string;
  #prefix: string;
  #keys: readonly string[];
  #offers: TargetOffers;
  #random: SeededRandom;
  /** As this client last saw them; perhaps long ago. */
  #seen = new Map<string, Stored>();
  #newest = 0;
  #list: { operation: List; id: number; revision: number } | undefined;
  #tokens = 0;

  constructor(client: string, prefix: string, keys: readonly string[], offers: TargetOffers, random: SeededRandom) {
    this.#client = client;
    this.#prefix = prefix;
    this.#keys = keys;
    this.#offers = offers;
    this.#random = random;
  }

  next(): Operation {
    if (this.#list) {
      const { operation, id, revision } = this.#list;
      this.#list = undefined;
      if (this.#random.chance(0.9)) return { ...operation, freshness: { exact: revision }, continues: id };
    }
    const key = this.#random.pick(this.#keys);
    const there = this.#seen.get(key);
    const guard = there && this.#random.chance(0.75) ? { revision: there.revision } : {};
    const uid = this.#offers.uids && there?.uid !== undefined && this.#random.chance(0.3) ? { uid: there.uid } : {};
    switch (this.#random.choose(this.#offers.operations as Record<Operation['type'], number>)) {
      case 'get':
        return { type: 'get', key, freshness: this.#freshness() };
      case 'list': {
        const limit = this.#random.chance(0.5) ? { limit: 1 + this.#random.below(5) } : {};
        const labelSelector = this.selector();
        const freshness = this.#freshness();
        return {
          type: 'list',
          prefix: this.#prefix,
          freshness,
          ...limit,
          ...(labelSelector !== undefined && { labelSelector }),
        };
      }
      case 'create':
        return { type: 'create', key, contents: this.contents() };
      case 'put':
        return { type: 'put', key, contents: this.contents() };
      case 'update':
        return { type: 'update', key, contents: this.contents(), ...guard, ...uid };
      case 'patch': {
        const labels = this.#random.chance(0.5) ? { labels: { color: this.#random.pick([...colors, null]) } } : {};
        const data = { [this.#random.pick(['a', 'b'])]: this.#token() };
        return { type: 'patch', key, data, ...labels, ...(this.#random.chance(0.3) ? guard : {}) };
      }
      case 'delete':
        return { type: 'delete', key, ...(this.#random.chance(0.3) ? guard : {}), ...uid };
      default:
        return this.#txn();
    }
  }

  learn(id: number, operation: Operation, outcome: Outcome): void {
    if (outcome.type !== 'ok') return;
    for (const stored of [outcome.object, ...(outcome.objects ?? []), ...(outcome.found ?? [])]) {
      if (stored) this.#seen.set(stored.key, stored);
      this.#newest = Math.max(this.#newest, stored?.revision ?? 0);
    }
    this.#newest = Math.max(this.#newest, outcome.revision ?? 0);
    if (operation.type === 'list' && outcome.more && outcome.revision !== undefined) {
      this.#list = { operation, id, revision: outcome.revision };
    }
    if ((operation.type === 'put' || operation.type === 'create' || operation.type === 'update') && outcome.revision) {
      const { key, contents } = operation;
      this.#seen.set(key, { ...outcome.object, key, contents, revision: outcome.revision });
    }
  }

  selector(): string | undefined {
    return this.#offers.selectors ? this.#random.pick(selectors) : undefined;
  }

  /** Of a watch that resumes nothing: the state first, or what this client last knew of. */
  watchStart(): WatchStart {
    if (this.#newest > 0 && (!this.#offers.initialEvents || this.#random.chance(0.6))) return { after: this.#newest };
    return { initial: this.#random.pick(['consistent', 'any', { atLeast: Math.max(1, this.#newest) }]) };
  }

  contents(color = this.#random.pick([...colors, undefined])): Contents {
    return { data: { token: this.#token() }, ...(color !== undefined && { labels: { color } }) };
  }

  #txn(): Operation {
    const [a, b, c] = shuffled(this.#keys, this.#random) as [string, string, string];
    const revisionOf = (key: string) => this.#seen.get(key)?.revision ?? 0;
    const compare = [a, b].filter(() => this.#random.chance(0.6)).map((key) => ({ key, revision: revisionOf(key) }));
    const step = (key: string): TxnStep => {
      const type = this.#random.choose({ put: 4, delete: 1, get: 1 });
      return type === 'put' ? { type, key, contents: this.contents() } : { type, key };
    };
    const failure: TxnStep[] = [a, b].map((key) => ({ type: 'get', key }));
    return { type: 'txn', compare, success: [step(a), step(b), step(c)], failure };
  }

  #freshness(): Freshness {
    const old = () => Math.max(1, this.#newest - this.#random.below(5));
    const what =
      this.#newest > 0 ? this.#random.choose(this.#offers.freshness as Record<string, number>) : 'consistent';
    if (what === 'atLeast') return { atLeast: old() };
    if (what === 'exact') return { exact: old() };
    return what as 'consistent' | 'any';
  }

  #token(): string {
    return `${this.#client}-${++this.#tokens}`;
  }
}

export function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [result[i], result[other]] = [result[other]!, result[i]!];
  }
  return result;
}
