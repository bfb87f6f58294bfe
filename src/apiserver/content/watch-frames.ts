/** Watch events as bytes. An event is encoded once, whoever watches: the frame stays with its entry. */
import { formatGroupVersion } from '#apimachinery/group-version.ts';
import { toPartialObjectMetadata } from '#apimachinery/partial-metadata.ts';
import type { Status } from '#apimachinery/status-error.ts';
import type { StoredObject, WatchEventKind } from '#storage/storage.ts';
import type { ServedResource } from '../endpoints/served-resource.ts';
import type { ApiRequest } from '../request.ts';
import type { Representation } from './accept.ts';
import { tableOf } from './table.ts';

export type EventEncoder = (type: WatchEventKind, entry: StoredObject) => Buffer;

export function eventEncoder(
  request: ApiRequest,
  served: ServedResource,
  representation: Representation,
): EventEncoder {
  switch (representation.as) {
    case 'Table':
      return tableEncoder(request, served);
    case 'PartialObjectMetadata':
    case 'PartialObjectMetadataList':
      return metadataFrame;
    default:
      return served.isStored ? storedFrame : (type, entry) => frame(type, served.toServed(entry.object()));
  }
}

/** One slot for each type an entry may be announced as. */
interface Frames {
  ADDED: Buffer | undefined;
  MODIFIED: Buffer | undefined;
  DELETED: Buffer | undefined;
}

const storedFrames = new WeakMap<StoredObject, Frames>();
const metadataFrames = new WeakMap<StoredObject, Frames>();
const heads = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};
const tail = Buffer.from('}\n');

function storedFrame(type: WatchEventKind, entry: StoredObject): Buffer {
  const frames = framesOf(storedFrames, entry);
  frames[type] ??= Buffer.concat([heads[type], entry.bytes, tail]);
  return frames[type];
}

function metadataFrame(type: WatchEventKind, entry: StoredObject): Buffer {
  const frames = framesOf(metadataFrames, entry);
  frames[type] ??= frame(type, toPartialObjectMetadata(entry.object()));
  return frames[type];
}

function framesOf(all: WeakMap<StoredObject, Frames>, entry: StoredObject): Frames {
  let frames = all.get(entry);
  if (!frames) {
    frames = { ADDED: undefined, MODIFIED: undefined, DELETED: undefined };
    all.set(entry, frames);
  }
  return frames;
}

/** Ages and the columns differ from watch to watch: these are not shared. */
function tableEncoder(request: ApiRequest, served: ServedResource): EventEncoder {
  let isFirst = true;
  return (type, entry) => {
    const object = served.toServed(entry.object());
    const metadata = { resourceVersion: String(entry.revision) };
    const table = tableOf(request, served, [object], metadata, isFirst);
    isFirst = false;
    return frame(type, table);
  };
}

function frame(type: string, object: unknown): Buffer {
  return Buffer.from(`{"type":"${type}","object":${JSON.stringify(object)}}\n`);
}

export function bookmarkFrame(served: ServedResource, revision: number, initialEventsEnd: boolean): Buffer {
  const { info } = served;
  return frame('BOOKMARK', {
    kind: info.kind,
    apiVersion: formatGroupVersion(info),
    metadata: {
      resourceVersion: String(revision),
      ...(initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    },
  });
}

export function errorFrame(status: Status): Buffer {
  return frame('ERROR', status);
}
