/**
 * Keeps a sink equal to a resource on the server: the state of one moment, then every change since, in order, without
 * a gap. A lost connection resumes at the last resourceVersion seen; only when the server no longer has it (410) is
 * the whole state fetched again.
 *
 * The state comes as a streaming list (a watch with sendInitialEvents, closed by an annotated bookmark); servers that
 * do not know it are asked for an ordinary list.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import { Backoff } from './backoff.ts';
import type { ResourceClient, WatchEvent } from './client.ts';

/** Who holds the copy. */
export interface ReflectorSink<T extends KubeObject> {
  /** The state is exactly this. */
  replace(items: T[]): void;
  /** Of an object one already knows, or not: a resumed watch may repeat. */
  upsert(object: T): void;
  remove(object: T): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  /** For the log: `pods`. */
  name: string;
  resource: ResourceClient<T>;
  fieldSelector?: string;
  labelSelector?: string;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** The server ends a watch after 5 to 10 minutes, so that long-lived clients spread over the servers again. */
const watchTimeoutSecondsMin = 300;
const pageSize = 500;
const backoffInitialMs = 100;
const backoffMaxMs = 10_000;
/** A watch that lived this long was a good one. */
const healthyWatchMs = 5_000;
const initialEventsEnd = 'k8s.io/initial-events-end';

/** Runs until the signal aborts; never rejects. */
export async function reflect<T extends KubeObject>(
  options: ReflectorOptions<T>,
  sink: ReflectorSink<T>,
  signal: AbortSignal,
): Promise<void> {
  const { name, resource, fieldSelector, labelSelector, clock, random, log } = options;
  const selectors = { ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) };
  const backoff = new Backoff(backoffInitialMs, backoffMaxMs, random);
  /** Where to go on; undefined: from the beginning. */
  let resourceVersion: string | undefined;
  let canStreamLists = true;

  const watch = (from: { resourceVersion: string } | { sendInitialEvents: true }): AsyncIterable<WatchEvent<T>> =>
    resource.watch({
      ...selectors,
      ...from,
      allowWatchBookmarks: true,
      timeoutSeconds: Math.floor(watchTimeoutSecondsMin * (1 + random())),
      signal,
    });

  const followWatch = async (): Promise<void> => {
    for await (const event of watch({ resourceVersion: resourceVersion! })) apply(event);
  };

  const streamListThenWatch = async (): Promise<void> => {
    let initial: T[] | undefined = [];
    for await (const event of watch({ sendInitialEvents: true })) {
      if (initial === undefined) apply(event);
      else if (event.type === 'ADDED') initial.push(event.object);
      else if (event.type === 'BOOKMARK' && event.object.metadata.annotations?.[initialEventsEnd] === 'true') {
        sink.replace(initial);
        initial = undefined;
        resourceVersion = event.object.metadata.resourceVersion;
        backoff.reset();
      }
    }
  };

  const list = async (): Promise<void> => {
    const items: T[] = [];
    let continueToken: string | undefined;
    do {
      const page = await resource.list({
        ...selectors,
        limit: pageSize,
        ...(continueToken && { continue: continueToken }),
        signal,
      });
      items.push(...page.items);
      continueToken = page.metadata.continue;
      if (!continueToken) resourceVersion = page.metadata.resourceVersion;
    } while (continueToken);
    sink.replace(items);
  };

  function apply(event: WatchEvent<T>): void {
    const version = event.object.metadata.resourceVersion;
    if (event.type === 'ADDED' || event.type === 'MODIFIED') sink.upsert(event.object);
    else if (event.type === 'DELETED') sink.remove(event.object);
    // Only after the sink has it: what is resumed from must have been applied.
    if (version) resourceVersion = version;
    backoff.reset();
  }

  let isSecondTry = false;
  while (!signal.aborted) {
    const startedAt = clock.monotonic();
    try {
      if (resourceVersion !== undefined) await followWatch();
      else if (canStreamLists) await streamListThenWatch();
      else {
        await list();
        continue;
      }
    } catch (error) {
      if (signal.aborted) break;
      if (isStatusError(error) && (error.code === 410 || error.reason === 'Expired' || error.reason === 'Gone')) {
        resourceVersion = undefined;
      } else if (isStatusError(error) && resourceVersion === undefined && (error.code === 400 || error.code === 422)) {
        canStreamLists = false;
        continue;
      } else {
        // An outage is one line, not one for each attempt.
        const level = isSecondTry ? 'debug' : 'warn';
        log[level]({ resource: name, error: messageOf(error) }, 'the watch failed: trying again');
      }
    }
    if (signal.aborted) break;
    if (clock.monotonic() - startedAt >= healthyWatchMs) {
      backoff.reset();
      isSecondTry = false;
    }
    // The first reconnection is at once: behind a load balancer another server is ready.
    if (isSecondTry) await sleep(clock, backoff.nextMs(), signal);
    isSecondTry = true;
  }
}
