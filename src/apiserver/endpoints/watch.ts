/**
 * Events as they come, JSON lines, until the client goes, the time is over, or the server stops. A client that does not
 * keep up is cut off: it comes back and resumes where it was.
 */

import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import type { Timer } from '#base/clock.ts';
import type { StoredObject, WatchEventKind, WatchHandle, WatchOptions, WatchSink } from '#storage/storage.ts';
import { negotiate } from '../content/accept.ts';
import { bookmarkFrame, type EventEncoder, errorFrame, eventEncoder } from '../content/watch-frames.ts';
import type { WatchCounters } from '../metrics.ts';
import type { ApiRequest, ResponseSink } from '../request.ts';
import type { Endpoint, EndpointContext } from './endpoint.ts';
import { type ListQuery, parseListQuery, parseWatchRevision, validateListQuery } from './list-options.ts';
import type { ServedResource } from './served-resource.ts';

/** The initial state and a backlog wait here for the client instead: they may be larger than any buffer. */
const watchPauseBytes = 256 * 1024;

export const watch: Endpoint = async (context, request, served) => {
  const representation = negotiate(request, 'watch');
  if (representation.format === 'yaml')
    throw apiErrors.notAcceptable(['application/json', 'application/json;stream=watch']);
  const query = parseListQuery(request, served);
  validateListQuery(query, true);
  const revision = parseWatchRevision(query.resourceVersion);
  const encode = eventEncoder(request, served, representation);
  const options: WatchOptions = {
    prefix: query.prefix,
    ...(revision === undefined ? {} : { revision }),
    ...(query.filter ? { filter: query.filter } : {}),
    ...(query.sendInitialEvents === undefined ? {} : { sendInitialEvents: query.sendInitialEvents }),
    ...(query.allowBookmarks ? { allowBookmarks: true } : {}),
    ...(query.timeoutSeconds === undefined ? {} : { timeoutSeconds: query.timeoutSeconds }),
  };
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    stream: (sink) => new WatchStream(context, request, served, query, encode, sink).start(options),
  };
};

class WatchStream implements WatchSink {
  readonly #context: EndpointContext;
  readonly #request: ApiRequest;
  readonly #served: ServedResource;
  readonly #query: ListQuery;
  readonly #encode: EventEncoder;
  readonly #out: ResponseSink;
  #handle: WatchHandle | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #isOver = false;
  /** False while the initial state, which has no order of revisions, is being sent. */
  #isOrdered = true;
  #onDrained: (() => void) | undefined = undefined;
  /** Newest revision of which the client has seen everything it asked for. */
  #seen = 0;
  #bookmarked = 0;
  /** This watch's share of what all of them hold for their clients. */
  #accounted = 0;
  readonly #startedAt: number;
  readonly #counters: WatchCounters;
  readonly #onAbort = (): void => this.#close(true);
  #noLongerTracked = () => {};

  constructor(
    context: EndpointContext,
    request: ApiRequest,
    served: ServedResource,
    query: ListQuery,
    encode: EventEncoder,
    out: ResponseSink,
  ) {
    this.#context = context;
    this.#request = request;
    this.#served = served;
    this.#query = query;
    this.#encode = encode;
    this.#out = out;
    this.#startedAt = context.clock.monotonic();
    this.#counters = context.metrics.watch(served.info);
  }

  start(options: WatchOptions): void {
    const { clock, limits, random, metrics } = this.#context;
    metrics.longRunning++;
    this.#noLongerTracked = this.#context.watchTracker.started(this.#request.info);
    const seconds = this.#query.timeoutSeconds;
    const minMs = limits.minRequestTimeoutMs;
    // Spread, so that the watches of a restarted server do not all come back at one moment.
    const timeoutMs = seconds === undefined ? minMs * (1 + random()) : seconds * 1000;
    this.#timer = clock.setTimer(timeoutMs, () => this.#close(true));
    const signal = this.#request.signal;
    if (signal.aborted) {
      this.#close(false);
      return;
    }
    signal.addEventListener('abort', this.#onAbort, { once: true });
    const wantsState = options.sendInitialEvents ?? !options.revision;
    this.#isOrdered = !wantsState;
    this.#out.onDrain(() => this.#resume());
    this.#served.registry!.storage.watch(options, this).then(
      (handle) => {
        this.#handle = handle;
        if (this.#isOver) handle.stop();
      },
      (error: unknown) => this.end(error as Error),
    );
  }

  send(type: WatchEventKind, entry: StoredObject): boolean {
    if (this.#isOver) return false;
    const frame = this.#encode(type, entry);
    this.#out.write(frame);
    this.#counters.events.observe(frame.length);
    if (this.#isOrdered) this.#seen = entry.revision;
    return this.#account(this.#out.bufferedBytes);
  }

  #account(bufferedBytes: number): boolean {
    const before = this.#accounted;
    this.#accounted = bufferedBytes;
    return this.#context.watchBuffers.changed(before, bufferedBytes);
  }

  bookmark(revision: number, initialEventsEnd: boolean): boolean {
    if (this.#isOver) return false;
    this.#isOrdered = true;
    this.#seen = revision;
    this.#bookmarked = revision;
    if (!this.#query.allowBookmarks) return true;
    this.#out.write(bookmarkFrame(this.#served, revision, initialEventsEnd));
    if (initialEventsEnd) this.#initialStateSent();
    return this.#account(this.#out.bufferedBytes);
  }

  #initialStateSent(): void {
    const { info } = this.#request;
    const { initialState } = this.#counters;
    const seconds = (this.#context.clock.monotonic() - this.#startedAt) / 1000;
    initialState[info.name !== '' ? 'resource' : info.namespace !== '' ? 'namespace' : 'cluster'].observe(seconds);
  }

  live(): void {
    this.#request.onWatchLive?.();
    this.#request.onWatchLive = undefined;
  }

  drained(): Promise<void> | undefined {
    if (this.#isOver || this.#out.bufferedBytes < watchPauseBytes) return undefined;
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  #resume(): void {
    if (!this.#isOver) this.#account(this.#out.bufferedBytes);
    const waiting = this.#onDrained;
    this.#onDrained = undefined;
    waiting?.();
  }

  end(error?: Error): void {
    if (this.#isOver) return;
    if (error) {
      const status = error instanceof StatusError ? error.status : apiErrors.internal(error).status;
      this.#out.write(errorFrame(status));
    }
    this.#close(false);
  }

  #close(isOrderly: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#context.metrics.longRunning--;
    this.#noLongerTracked();
    this.live();
    this.#timer?.cancel();
    this.#request.signal.removeEventListener('abort', this.#onAbort);
    this.#handle?.stop();
    this.#account(0);
    this.#resume();
    if (isOrderly && this.#query.allowBookmarks && this.#seen > this.#bookmarked) {
      this.#out.write(bookmarkFrame(this.#served, this.#seen, false));
    }
    this.#out.end();
  }
}
