/** One Watch stream: several watches with IDs, all of them bounded by the stream's own buffer. */
import { Code } from '#etcd/grpc-status.ts';
import type { WatchResponse } from '#etcd/key-value.ts';
import type { WatchCreateRequest, WatchRequest } from '#etcd/messages.ts';
import { keyRange } from '../mvcc/kv-store.ts';
import type { Watcher, WatchHub, WatchReceiver } from '../mvcc/watch-hub.ts';
import type { ServerStream, Sized } from './grpc-server.ts';
import type { HeaderOf } from './grpc-service.ts';
import { WatchBatch } from './watch-batch.ts';

/** A fragment is cut at the size etcd allows a request. */
const fragmentBytesMax = 1.5 * 1024 * 1024;
/** Watches of one stream; more are refused. */
const watchesPerStreamMax = 10_000;
/** An answer that concerns every watch of the stream. */
const everyWatch = -1;

type Stream = ServerStream<WatchRequest, Buffer>;

export function serveWatch(stream: Stream, hub: WatchHub, headerOf: HeaderOf): void {
  const watchers = new Map<number, Watcher>();
  let isFull = false;
  let isEnded = false;
  let isProgressWanted = false;
  let nextId = 0;

  const batch = new WatchBatch(headerOf, (bytes, hasRoom) => {
    if (hasRoom ? stream.writeInPlace(bytes) : stream.writeFramed([bytes])) return;
    isFull = true;
    stream.pause(); // who does not read is not listened to
  });
  const send = (response: Omit<Partial<WatchResponse>, 'events' | 'header'>, revision: number) =>
    batch.response(response, revision);

  const receiver: WatchReceiver = {
    isFull: () => isFull,
    events(watcher, events, revision) {
      const parts = fragments.has(watcher.id) ? split(events) : [events];
      for (let i = 0; i < parts.length; i++) {
        batch.events(watcher.id, revision, parts[i]!, i < parts.length - 1);
      }
    },
    progress: (watcher, revision) => send({ watchId: watcher.id }, revision),
    compacted(watcher, compactRevision) {
      watchers.delete(watcher.id);
      fragments.delete(watcher.id);
      send({ watchId: watcher.id, canceled: true, compactRevision }, hub.durableRevision);
    },
    failed(_watcher, error) {
      stream.emit('error', { code: Code.INTERNAL, details: `evenkeel: history cannot be read: ${error.message}` });
    },
    synced() {
      if (isProgressWanted) progress();
    },
  };
  const fragments = new Set<number>();

  /** Only when no watch of the stream is behind: the answer says of all of them that nothing is missing. */
  const progress = () => {
    isProgressWanted = true;
    if (isFull) return;
    for (const watcher of watchers.values()) if (!watcher.isSynced) return;
    isProgressWanted = false;
    send({ watchId: everyWatch }, hub.durableRevision);
  };

  const create = (request: WatchCreateRequest) => {
    // No key stands for the first one there could be.
    const range = keyRange(request.key.length === 0 ? firstKey : request.key, request.rangeEnd);
    const isEmpty = typeof range.end === 'string' && range.key >= range.end;
    const refusal = isEmpty
      ? 'mvcc: watcher range is empty'
      : request.watchId !== 0 && watchers.has(request.watchId)
        ? 'mvcc: duplicate watch ID provided on the WatchStream'
        : watchers.size >= watchesPerStreamMax
          ? `evenkeel: more than ${watchesPerStreamMax} watches on one stream`
          : undefined;
    if (refusal) {
      send({ watchId: everyWatch, created: true, canceled: true, cancelReason: refusal }, hub.durableRevision);
      return;
    }
    const id = request.watchId !== 0 ? request.watchId : freeId();
    send({ watchId: id, created: true }, hub.durableRevision);
    if (request.fragment) fragments.add(id);
    const { startRevision, prevKv, progressNotify, filters } = request;
    watchers.set(id, hub.add(id, { range, startRevision, prevKv, progressNotify, filters }, receiver));
  };

  const freeId = () => {
    while (watchers.has(nextId)) nextId++;
    return nextId++;
  };

  const cancel = (id: number) => {
    const watcher = watchers.get(id);
    if (!watcher) return;
    hub.remove(watcher);
    watchers.delete(id);
    fragments.delete(id);
    send({ watchId: id, canceled: true }, hub.durableRevision);
  };

  const end = () => {
    if (isEnded) return;
    isEnded = true;
    for (const watcher of watchers.values()) hub.remove(watcher);
    watchers.clear();
  };

  stream.on('data', ({ body }: Sized<WatchRequest>) => {
    if (isEnded) return;
    if (body.createRequest) create(body.createRequest);
    else if (body.cancelRequest) cancel(body.cancelRequest.watchId);
    else if (body.progressRequest) progress();
  });
  stream.on('drain', () => {
    isFull = false;
    stream.resume();
    for (const watcher of watchers.values()) hub.resume(watcher);
    if (isProgressWanted) progress();
  });
  stream.on('end', () => {
    end();
    batch.flush();
    stream.end();
  });
  stream.on('cancelled', end);
  stream.on('error', end);
  stream.on('close', end);
}

const firstKey = Buffer.from([0]);

function split(events: readonly Buffer[]): Buffer[][] {
  const parts: Buffer[][] = [[]];
  let size = 0;
  for (const event of events) {
    if (size > 0 && size + event.length > fragmentBytesMax) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)!.push(event);
    size += event.length;
  }
  return parts;
}
