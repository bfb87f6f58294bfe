/** Histories in the form that src/drills/model/ judges. */
import type { KubeObject } from '#apimachinery/object.ts';
import type {
  Contents,
  Operation,
  OperationRecord,
  Outcome,
  Stored,
  WatchItem,
  WatchRecord,
  WatchStart,
} from '#drills/model/history.ts';
import type { StoredObject } from '#storage/storage.ts';
import type { Scheduler } from './scheduler.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type OpenWatch = Mutable<Omit<WatchRecord, 'items'>> & {
  items: WatchItem[];
  /** Compaction overtook its server while it was open: it was told the difference, not each change (docs/adr/0004). */
  isCoalesced: () => boolean;
};

export class Recorder {
  readonly operations: Mutable<OperationRecord>[] = [];
  readonly watches: OpenWatch[] = [];
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  begin(id: number, client: string, server: string | undefined, operation: Operation): (outcome: Outcome) => void {
    const record: Mutable<OperationRecord> = {
      id,
      client,
      ...(server ? { server } : {}),
      invoked: this.#scheduler.tick(),
      operation,
      outcome: { type: 'unknown' },
    };
    this.operations.push(record);
    const { trace } = this.#scheduler;
    trace.number(id);
    trace.detail(client, () => `#${id} ${describe(operation)}${server ? ` at ${server}` : ''}`);
    return (outcome) => {
      record.returned = this.#scheduler.tick();
      record.outcome = outcome;
      trace.number(outcome.type === 'ok' ? (outcome.revision ?? id) : -id);
      trace.detail(client, () => `#${id} → ${describeOutcome(outcome)}`);
    };
  }

  note(who: string, what: string): void {
    this.#scheduler.trace.note(who, what);
  }

  watch(
    client: string,
    server: string,
    prefix: string,
    color: string | undefined,
    start: WatchStart,
    resumes?: number,
  ): OpenWatch {
    const record: OpenWatch = {
      id: this.watches.length + 1,
      client,
      server,
      prefix,
      ...(color ? { labelSelector: `color=${color}` } : {}),
      start,
      ...(resumes === undefined ? {} : { resumes }),
      invoked: this.#scheduler.tick(),
      ended: Number.MAX_SAFE_INTEGER,
      items: [],
      isCoalesced: () => false,
    };
    this.watches.push(record);
    this.#scheduler.trace.note(client, `watch ${record.id} of ${prefix} from ${JSON.stringify(start)} at ${server}`);
    return record;
  }

  item(record: OpenWatch, item: WatchItem): void {
    record.items.push(item);
    const { trace } = this.#scheduler;
    trace.number('revision' in item ? item.revision : -record.id);
    trace.detail(record.client, () => `watch ${record.id}: ${describeItem(item)}`);
  }

  end(record: OpenWatch): void {
    record.ended = this.#scheduler.tick();
    this.#scheduler.trace.note(record.client, `watch ${record.id} ended`);
  }
}

export function contentsOf(object: KubeObject): Contents {
  const { data } = object as KubeObject & { data?: Record<string, string> };
  const { labels } = object.metadata;
  return { data: data ?? {}, ...(labels ? { labels } : {}) };
}

/** Parsed once for each entry, which many lists and watches share. */
export function storedOf(entry: StoredObject): Stored {
  let stored = known.get(entry);
  if (!stored) {
    stored = { key: entry.key, revision: entry.revision, contents: contentsOf(entry.object()) };
    known.set(entry, stored);
  }
  return stored;
}
const known = new WeakMap<StoredObject, Stored>();

function describeItem(item: WatchItem): string {
  if (item.type === 'ERROR') return `ERROR ${item.reason} ${item.message}`;
  return item.type === 'BOOKMARK' ? `BOOKMARK ${item.revision}` : `${item.type} ${item.key} ${item.revision}`;
}

function describe(operation: Operation): string {
  const { type, ...rest } = operation;
  return `${type} ${JSON.stringify(rest)}`;
}

function describeOutcome(outcome: Outcome): string {
  if (outcome.type !== 'ok')
    return `${outcome.type} ${'reason' in outcome ? outcome.reason : ''} ${outcome.message ?? ''}`;
  const { revision, object, objects } = outcome;
  const seen = objects ?? (object ? [object] : []);
  const what = seen.map((o) => `${o.key}@${o.revision}=${JSON.stringify(o.contents.data)}`).join(' ');
  return `ok${revision === undefined ? '' : ` ${revision}`} ${object === null ? 'nothing' : what}`;
}
