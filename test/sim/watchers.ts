/** Clients that watch: from a state or from a list, through streams that break, each going on at another server. */
import { isStatusError } from '#apimachinery/status-error.ts';
import { sleep } from '#base/clock.ts';
import type { WatchItem, WatchStart } from '#drills/model/history.ts';
import type { StoredObject, WatchHandle, WatchSink } from '#storage/storage.ts';
import type { ApiServer } from './api-server.ts';
import type { WatcherPlan } from './plan.ts';
import { type OpenWatch, storedOf } from './recorder.ts';
import type { Lane } from './scheduler.ts';
import type { World } from './world.ts';

/** Between a stream's end and the next, as a reflector waits. */
const againAfterMs = 30;

export class WatchClient {
  readonly plan: WatcherPlan;
  /** The newest revision it may go on from; undefined: it has to begin anew. */
  position: number | undefined;
  /** Keys it knows to be there, with the revisions it last saw. */
  readonly state = new Map<string, number>();
  streams = 0;
  readonly #world: World;
  #last: OpenWatch | undefined;

  constructor(world: World, plan: WatcherPlan) {
    this.#world = world;
    this.plan = plan;
  }

  async run(): Promise<void> {
    const { clock } = this.#world.clients;
    await sleep(clock, this.plan.startAtMs);
    while (!this.#world.isOver) {
      const planned = this.#world.isHealed ? undefined : this.plan.streams[this.streams];
      const api = this.#world.server(planned?.server ?? this.streams);
      this.streams++;
      if (api) await this.#stream(api, planned?.lastsMs ?? Number.POSITIVE_INFINITY);
      await sleep(clock, againAfterMs);
    }
  }

  async #stream(api: ApiServer, lastsMs: number): Promise<void> {
    const { plan } = this;
    let from = this.position;
    if (from === undefined && plan.starts === 'listed') {
      const listed = await this.#list(api);
      if (listed === undefined) return;
      from = listed;
    }
    const start: WatchStart = from === undefined ? { initial: 'consistent' } : { after: from };
    const resumes = this.position === undefined ? undefined : this.#last?.id;
    const record = this.#world.recorder.watch(plan.name, api.process.name, plan.prefix, plan.color, start, resumes);
    const { relists } = api;
    let relistsAtEnd: number | undefined;
    record.isCoalesced = () => (relistsAtEnd ?? api.relists) > relists;
    if (from === undefined) this.state.clear();
    await this.#follow(api, record, from, lastsMs);
    this.#world.recorder.end(record);
    relistsAtEnd = api.relists;
    if (record.items.at(-1)?.type === 'ERROR') this.position = undefined;
    this.#last = record;
  }

  async #list(api: ApiServer): Promise<number | undefined> {
    const { prefix, color } = this.plan;
    const filter = color === undefined ? undefined : (entry: StoredObject) => entry.labels?.['color'] === color;
    const answer = await this.#world.call(api, (server) => server.storage(prefix).list({ prefix, filter }));
    if (typeof answer === 'string' || 'error' in answer) return undefined;
    this.state.clear();
    for (const { key, revision } of answer.value.entries) this.state.set(key, revision);
    return answer.value.revision;
  }

  async #follow(api: ApiServer, record: OpenWatch, from: number | undefined, lastsMs: number): Promise<void> {
    const { plan } = this;
    const world = this.#world;
    const stream = new Stream(world, api, plan.isPaced, plan.bufferEvents, (item) => {
      world.recorder.item(record, item);
      this.#take(item);
    });
    const filter =
      plan.color === undefined ? undefined : (entry: StoredObject) => entry.labels?.['color'] === plan.color;
    const { prefix } = plan;
    const answer = await world.call(api, async (server) => {
      const handle = await server.storage(prefix).watch(
        {
          prefix,
          filter,
          allowBookmarks: true,
          timeoutSeconds: 40,
          ...(from === undefined ? { sendInitialEvents: true } : { revision: from }),
        },
        stream.sink,
      );
      stream.handle = handle;
    });
    if (answer === 'refused' || answer === 'lost') return;
    if ('error' in answer) {
      const reason = isStatusError(answer.error, 'Expired') ? 'expired' : 'other';
      if (reason === 'expired')
        stream.onItem({ type: 'ERROR', at: world.tick(), reason, message: String(answer.error) });
      return;
    }
    const timer = Number.isFinite(lastsMs) ? world.clients.clock.setTimer(lastsMs, () => stream.leave()) : undefined;
    await stream.ended;
    timer?.cancel();
  }

  #take(item: WatchItem): void {
    if (item.type === 'ERROR') return;
    if (item.type === 'BOOKMARK') {
      this.position = Math.max(this.position ?? 0, item.revision);
      return;
    }
    if (item.type === 'DELETED') this.state.delete(item.key);
    else this.state.set(item.key, item.revision);
    // Of initial events only the bookmark after them is a place to go on from.
    if (this.position !== undefined) this.position = Math.max(this.position, item.revision);
  }
}

/** What the server sends, on its way to a client that may be slow to read. */
class Stream {
  readonly sink: WatchSink;
  readonly ended: Promise<void>;
  readonly onItem: (item: WatchItem) => void;
  handle: WatchHandle | undefined;
  readonly #world: World;
  readonly #api: ApiServer;
  readonly #lane: Lane;
  readonly #backLane: Lane;
  readonly #bufferEvents: number;
  #end!: () => void;
  #underWay = 0;
  #isOver = false;
  #onRoom: (() => void) | undefined;
  #arriving = 0;

  constructor(world: World, api: ApiServer, isPaced: boolean, bufferEvents: number, onItem: (item: WatchItem) => void) {
    this.#world = world;
    this.#api = api;
    this.#bufferEvents = bufferEvents;
    this.#lane = world.clients.lane('watch');
    this.#backLane = api.process.lane('watch client');
    this.onItem = onItem;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const tell = (item: (at: number) => WatchItem) => this.#send(() => onItem(item(world.tick())));
    this.sink = {
      send: (type, entry) => {
        const { key, revision, contents } = storedOf(entry);
        return tell((at) => ({ type, at, key, revision, contents }));
      },
      bookmark: (revision, isInitialEnd) =>
        tell((at) => ({ type: 'BOOKMARK', at, revision, ...(isInitialEnd ? { isInitialEnd } : {}) })),
      end: (error) => {
        const reason = isStatusError(error, 'Expired') ? 'expired' : 'other';
        if (error) tell((at) => ({ type: 'ERROR', at, reason, message: error.message }));
        this.#send(() => this.#over());
      },
      ...(isPaced ? { drained: () => this.#drained() } : {}),
    };
    api.onDeath.add(this.#broken);
  }

  /** The client has enough. */
  leave(): void {
    if (this.#isOver) return;
    this.#over();
    this.#world.scheduler.after(this.#world.network.delayMs(), this.#backLane, () => this.handle?.stop());
  }

  readonly #broken = (): void => {
    this.#world.scheduler.after(this.#world.network.delayMs(), this.#lane, () => this.#over());
  };

  #over(): void {
    this.#isOver = true;
    this.#api.onDeath.delete(this.#broken);
    this.#end();
  }

  #send(arrive: () => void): boolean {
    const { scheduler, network } = this.#world;
    const at = Math.max(this.#arriving, scheduler.now + network.delayMs());
    this.#arriving = at;
    this.#underWay++;
    scheduler.after(at - scheduler.now, this.#lane, () => {
      this.#underWay--;
      if (!this.#isOver) arrive();
      if (this.#underWay > this.#bufferEvents / 2 || !this.#onRoom) return;
      const wake = this.#onRoom;
      this.#onRoom = undefined;
      scheduler.after(0, this.#backLane, wake);
    });
    return this.#underWay <= this.#bufferEvents;
  }

  #drained(): Promise<void> | undefined {
    if (this.#underWay < this.#bufferEvents) return undefined;
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }
}
