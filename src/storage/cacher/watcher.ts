import type { Clock, Timer } from '#base/clock.ts';
import type { EntryFilter, StoredObject, WatchHandle, WatchOptions, WatchSink } from '../storage.ts';
import type { CacheEvent } from './event-ring.ts';

/** About once a minute, as upstream; jittered so that a thousand watchers do not all get theirs at one moment. */
const bookmarkEveryMs = 60_000;
/** So long before the caller's own deadline, so that the client resumes from a fresh revision. */
const bookmarkBeforeEndMs = 2_000;

/** One watch: turns changes of the resource into what this watch's selector sees of them. */
export class Watcher implements WatchHandle {
  readonly prefix: string;
  /** Everything up to here has been delivered, or was not asked for. */
  position: number;
  stopped = false;
  /** False while it is still being brought up to date: events reach it from the ring, not as they come. */
  live = false;
  readonly #filter: EntryFilter | undefined;
  readonly #sink: WatchSink;
  readonly #onStop: (watcher: Watcher, isSlow: boolean) => void;
  #timers: Timer[] = [];

  /** `onStop` is told whether it was the receiver that could not keep up. */
  constructor(
    options: WatchOptions,
    position: number,
    sink: WatchSink,
    onStop: (watcher: Watcher, isSlow: boolean) => void,
  ) {
    this.prefix = options.prefix;
    this.position = position;
    this.#filter = options.filter;
    this.#sink = sink;
    this.#onStop = onStop;
  }

  stop(): void {
    this.#stop(false);
  }

  #stop(isSlow: boolean): void {
    if (this.stopped) return;
    this.stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#onStop(this, isSlow);
  }

  end(error?: Error): void {
    if (this.stopped) return;
    this.stop();
    this.#sink.end(error);
  }

  covers(key: string): boolean {
    return this.prefix.endsWith('/') ? key.startsWith(this.prefix) : key === this.prefix;
  }

  /** Whether the receiver can say when it has room; one that cannot takes its initial state at once. */
  get isPaced(): boolean {
    return this.#sink.drained !== undefined;
  }

  /** What to wait for before sending it more. */
  drained(): Promise<void> | undefined {
    return this.stopped ? undefined : this.#sink.drained?.();
  }

  sendInitial(entry: StoredObject): void {
    const filter = this.#filter;
    if (filter !== undefined && !filter(entry)) return;
    const hasRoom = this.#sink.send('ADDED', entry);
    if (this.isPaced) this.#sent(hasRoom);
  }

  deliverLive(event: CacheEvent): void {
    if (this.live) this.deliver(event);
  }

  deliver(event: CacheEvent): void {
    if (this.stopped || event.revision <= this.position) return;
    const filter = this.#filter;
    const isIn = event.type !== 'DELETED' && (filter === undefined || filter(event.entry));
    const wasIn = event.previous !== undefined && (filter === undefined || filter(event.previous));
    if (isIn) this.#sent(this.#sink.send(wasIn ? 'MODIFIED' : 'ADDED', event.entry));
    else if (wasIn) this.#sent(this.#sink.send('DELETED', event.left()));
  }

  endOfInitialEvents(): void {
    if (!this.stopped) this.#sent(this.#sink.bookmark(this.position, true));
  }

  goLive(): void {
    this.live = true;
    this.#sink.live?.();
  }

  bookmark(revision: number): void {
    if (this.live && !this.stopped && revision >= this.position) this.#sent(this.#sink.bookmark(revision, false));
  }

  /** `revision` is read when a bookmark is due; it must be one this watcher has been brought to. */
  scheduleBookmarks(
    clock: Clock,
    random: () => number,
    timeoutSeconds: number | undefined,
    revision: () => number,
  ): void {
    if (this.stopped) return;
    const again = () => {
      const delay = bookmarkEveryMs * (0.9 + 0.2 * random());
      this.#timers[0] = clock.setTimer(delay, () => {
        this.bookmark(revision());
        if (!this.stopped) again();
      });
    };
    again();
    if (timeoutSeconds === undefined) return;
    const last = timeoutSeconds * 1000 - bookmarkBeforeEndMs;
    if (last > 0) this.#timers[1] = clock.setTimer(last, () => this.bookmark(revision()));
  }

  #sent(hasRoom: boolean): void {
    if (hasRoom || this.stopped) return;
    this.#stop(true);
    this.#sink.end();
  }
}
