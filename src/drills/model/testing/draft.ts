/** A correct history that may be spoilt, and how to find the places for it. */
import type { History, OperationRecord, Stored, StoreHistory, WatchItem } from '../history.ts';
import { selectorOf } from '../lists.ts';
import type { SeededRandom } from '../random.ts';
import { isWrite } from '../semantics.ts';
import { Timeline } from '../timeline.ts';
import type { Rule } from '../violation.ts';
import type { Recorded } from './model-store.ts';

export interface PlantedBug {
  name: string;
  /** It must be found as one of these. */
  rules: readonly Rule[];
  /** False: this history has no place for it. */
  plant(draft: Draft): boolean;
}

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;

export class Draft {
  history: Mutable<History>;
  truth: Mutable<StoreHistory>;
  readonly timeline: Timeline;
  readonly random: SeededRandom;
  #operations: readonly OperationRecord[];

  constructor(recorded: Recorded, random: SeededRandom) {
    const { history, truth } = structuredClone(recorded);
    this.history = history as Mutable<History>;
    this.truth = truth as Mutable<StoreHistory>;
    this.timeline = new Timeline(recorded.truth);
    this.#operations = recorded.history.operations;
    this.random = random;
  }

  get operations(): any[] {
    return this.history.operations;
  }

  get watches(): any[] {
    return this.history.watches;
  }

  /** Any of those that suit. */
  some<T>(items: readonly T[], suits: (item: T) => unknown): T | undefined {
    const all = items.filter(suits);
    return all.length > 0 ? this.random.pick(all) : undefined;
  }

  /** The highest revision acknowledged before. */
  knownBefore(time: number): number {
    let known = 0;
    for (const { outcome, returned } of this.#operations) {
      if (outcome.type === 'ok' && returned !== undefined && returned < time && outcome.revision !== undefined) {
        known = Math.max(known, outcome.revision);
      }
    }
    return known;
  }

  /** The acknowledged writer of a revision, where only one was answered with it, and it cannot have been a read. */
  writer(revision: number): OperationRecord | undefined {
    const all = this.#operations.filter(
      (o) => isWrite(o.operation) && o.outcome.type === 'ok' && o.outcome.revision === revision,
    );
    return all.length === 1 && all[0]!.operation.type !== 'txn' ? all[0] : undefined;
  }

  /** Acknowledged writes of one key that did something, with their change. */
  writes(...types: string[]): any[] {
    return this.operations.filter((o) => {
      if (o.outcome.type !== 'ok' || !types.includes(o.operation.type) || o.outcome.revision === undefined)
        return false;
      const changes = this.timeline.changesAt(o.outcome.revision);
      return changes.some((c) => c.key === o.operation.key) && this.writer(o.outcome.revision) !== undefined;
    });
  }

  /** Gets and lists that were answered. */
  reads(type: 'get' | 'list', freshness: string): any[] {
    return this.operations.filter(
      (o) =>
        o.operation.type === type &&
        o.outcome.type === 'ok' &&
        o.returned !== undefined &&
        (typeof o.operation.freshness === 'string' ? o.operation.freshness : 'other') === freshness &&
        o.operation.continues === undefined,
    );
  }

  /** Older versions of the key than the one at the revision. */
  older(key: string, revision: number): Stored[] {
    const now = this.timeline.at(key, revision)?.revision ?? revision + 1;
    return this.timeline
      .versionsOf(key)
      .filter((v) => v.stored && v.revision < now)
      .map((v) => v.stored!);
  }

  /** Each live event with its watch and index. */
  events(
    suits: (item: any, watch: any, index: number) => unknown = () => true,
  ): { watch: any; index: number; item: any }[] {
    return this.watches.flatMap((watch) => {
      const end = liveFrom(watch);
      return watch.items
        .map((item: WatchItem, index: number) => ({ watch, index, item }))
        .filter(({ item, index }: any) => index >= end && isEvent(item) && suits(item, watch, index));
    });
  }
}

export const isEvent = (item: any) => item.type !== 'BOOKMARK' && item.type !== 'ERROR';
export const initialEnd = (watch: any): number => watch.items.findIndex((i: any) => i.isInitialEnd);
export const liveFrom = (watch: any): number =>
  'after' in watch.start ? 0 : initialEnd(watch) < 0 ? watch.items.length : initialEnd(watch) + 1;
/** Something later in the stream shows that the watch has gone past this place. */
export const isPassed = (watch: any, index: number): boolean =>
  watch.items.slice(index + 1).some((i: any) => i.type !== 'ERROR' && i.revision > watch.items[index].revision);

/** Longer than anything a model history lasts, in its unit of time. */
export const silenceMax = 1_000_000;

export function appendPut(d: Draft, key: string, contents: any): void {
  const revision = d.timeline.until + 1;
  const before = d.timeline.at(key, revision);
  const birth =
    d.truth.events[0]?.uid === undefined && d.truth.events.some((e) => e.created !== undefined)
      ? { created: before?.created ?? revision }
      : { uid: before?.uid ?? 'back' };
  d.truth.events.push({ revision, key, contents, ...birth });
  d.truth.until = revision;
}

/** Nothing that was known before the request changed its key until all of it was over. */
export function isQuiet(d: Draft, o: any): boolean {
  const { key } = o.operation;
  const known = d.knownBefore(o.invoked);
  return d.timeline.at(key, known) !== undefined && !d.timeline.versionsOf(key).some((v) => v.revision > known);
}

export function setList(d: Draft, record: any, revision: number): void {
  const { prefix, labelSelector, limit = Infinity } = record.operation;
  const all = d.timeline.stateAt(prefix, revision, selectorOf(labelSelector));
  record.outcome = { type: 'ok', revision, objects: all.slice(0, limit), more: all.length > limit };
  // Nobody went on from it.
  for (const o of d.operations) if (o.operation.continues === record.id) o.operation.continues = undefined;
}

export const isPage = (o: any) => o.operation.continues !== undefined && o.outcome.type === 'ok';
export const isWholeList = (o: any) =>
  o.operation.type === 'list' && o.outcome.type === 'ok' && !o.outcome.more && !isPage(o);

export function outsiders(d: Draft, o: any): Stored[] {
  const matches = selectorOf(o.operation.labelSelector);
  return d.timeline.stateAt(o.operation.prefix, o.outcome.revision, (stored) => !matches(stored));
}

export function sameRevision(watch: any, item: any): any[] {
  return watch.items.filter((i: any) => isEvent(i) && i.revision === item.revision);
}

/** Events of objects that are still there, but no longer of the selector. */
export function leavings(d: Draft): { watch: any; index: number; item: any }[] {
  return d.events(
    (item, watch) => watch.labelSelector && item.type === 'DELETED' && d.timeline.at(item.key, item.revision),
  );
}
