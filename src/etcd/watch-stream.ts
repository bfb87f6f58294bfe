/**
 * All watches of a client share one gRPC stream. etcd answers creations in the order they were asked for, and the
 * gRPC proxy chooses the watch IDs itself; so creations go one at a time, and the ID is learned from the answer.
 * When the stream ends, every watch on it is closed: where to go on is the caller's knowledge.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { Code, EtcdError, etcdErrorOf } from './etcd-error.ts';
import type { Event, ResponseHeader, WatchResponse } from './key-value.ts';
import type { WatchCreateRequest, WatchRequest } from './messages.ts';
import type { InitOf } from './wire.ts';

export type WatchOptions = Partial<Omit<WatchCreateRequest, 'watchId'>>;

/**
 * Called in order, synchronously, and never after cancel(). `compacted` and `closed` are the last call a sink gets.
 */
export interface WatchSink {
  /** The store knows the watch: events after `revision` (or from startRevision on) will come. */
  created?(revision: number): void;
  /** All changes of one or more whole revisions (unless `fragment` was asked for). `revision`: the store's. */
  events(events: Event[], revision: number): void;
  /** Every event up to `revision` has been delivered. */
  progress(revision: number): void;
  /** startRevision, or the place a slow watch had reached, is gone: the oldest left is `compactRevision`. */
  compacted(compactRevision: number): void;
  closed(error: EtcdError): void;
}

export interface WatchHandle {
  cancel(): void;
  /** Asks for a progress call now; it goes to every watch on the stream. */
  requestProgress(): void;
}

type Stream = ClientDuplexStream<InitOf<typeof WatchRequest>, WatchResponse>;

/** Who looks after the connection. */
export interface StreamObserver {
  heard(header: ResponseHeader): void;
  closed(): void;
}

interface Watcher {
  options: WatchOptions;
  sink: WatchSink;
  isCancelled: boolean;
  /** Known once created. */
  id: number | undefined;
}

export class WatchStream {
  isOpen = true;
  readonly #stream: Stream;
  readonly #queued: Watcher[] = [];
  #creating: Watcher | undefined;
  readonly #byId = new Map<number, Watcher>();
  readonly #observer: StreamObserver;

  constructor(stream: Stream, observer: StreamObserver) {
    this.#stream = stream;
    this.#observer = observer;
    stream.on('data', (response: WatchResponse) => {
      observer.heard(response.header);
      this.#receive(response);
    });
    stream.on('error', (error) => this.close(etcdErrorOf(error)));
    stream.on('end', () =>
      this.close(new EtcdError(Code.UNAVAILABLE, 'the watch stream was ended by the store', false)),
    );
  }

  watch(options: WatchOptions, sink: WatchSink): WatchHandle {
    const watcher: Watcher = { options, sink, isCancelled: false, id: undefined };
    this.#queued.push(watcher);
    this.#createNext();
    return {
      cancel: () => this.#cancel(watcher),
      requestProgress: () => {
        if (this.isOpen) this.#stream.write({ progressRequest: {} });
      },
    };
  }

  close(error: EtcdError): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#observer.closed();
    this.#stream.cancel();
    const watchers = [...this.#byId.values(), ...(this.#creating ? [this.#creating] : []), ...this.#queued];
    this.#byId.clear();
    this.#queued.length = 0;
    this.#creating = undefined;
    for (const watcher of watchers) {
      if (watcher.isCancelled) continue;
      watcher.isCancelled = true;
      watcher.sink.closed(error);
    }
  }

  #createNext(): void {
    while (!this.#creating && this.#queued.length > 0) {
      const watcher = this.#queued.shift()!;
      if (watcher.isCancelled) continue;
      this.#creating = watcher;
      this.#stream.write({ createRequest: watcher.options });
    }
  }

  #cancel(watcher: Watcher): void {
    if (watcher.isCancelled) return;
    watcher.isCancelled = true;
    if (watcher.id === undefined || !this.isOpen) return;
    this.#byId.delete(watcher.id);
    this.#stream.write({ cancelRequest: { watchId: watcher.id } });
  }

  #receive(response: WatchResponse): void {
    if (response.created) {
      const watcher = this.#creating;
      this.#creating = undefined;
      if (watcher) this.#created(watcher, response);
      this.#createNext();
      return;
    }
    // A progress answer that concerns every watch of the stream.
    if (response.watchId === -1 && !response.canceled) {
      for (const watcher of [...this.#byId.values()]) {
        if (!watcher.isCancelled) watcher.sink.progress(response.header.revision);
      }
      return;
    }
    const watcher = this.#byId.get(response.watchId);
    if (!watcher) return; // cancelled by us, what was under way still arrives
    if (response.canceled) this.#ended(watcher, response);
    else if (response.events.length > 0) watcher.sink.events(response.events, response.header.revision);
    else watcher.sink.progress(response.header.revision);
  }

  #created(watcher: Watcher, response: WatchResponse): void {
    if (response.canceled) {
      this.#ended(watcher, response);
      return;
    }
    watcher.id = response.watchId;
    if (watcher.isCancelled) {
      this.#stream.write({ cancelRequest: { watchId: watcher.id } });
      return;
    }
    this.#byId.set(watcher.id, watcher);
    watcher.sink.created?.(response.header.revision);
  }

  #ended(watcher: Watcher, response: WatchResponse): void {
    if (watcher.id !== undefined) this.#byId.delete(watcher.id);
    if (watcher.isCancelled) return;
    watcher.isCancelled = true;
    if (response.compactRevision > 0) watcher.sink.compacted(response.compactRevision);
    else {
      const reason = response.cancelReason || 'the watch was cancelled by the store';
      watcher.sink.closed(new EtcdError(Code.CANCELLED, reason, false));
    }
  }
}
