/** Objects as answers. The common case is bytes that are sent as they are kept; everything else parses and converts. */

import { formatGroupVersion } from '#apimachinery/group-version.ts';
import { encodeJson } from '#apimachinery/json/encode-json.ts';
import type { KubeObject, ListMeta } from '#apimachinery/object.ts';
import { toPartialObjectMetadata } from '#apimachinery/partial-metadata.ts';
import type { StoredObject } from '#storage/storage.ts';
import type { ServedResource } from '../endpoints/served-resource.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { isPretty, type Representation } from './accept.ts';
import { ListBody } from './list-body.ts';
import { tableOf } from './table.ts';

const newline = Buffer.from('\n');

/** One stored object. At once in the common case. */
export function entryResponse(
  request: ApiRequest,
  served: ServedResource,
  entry: StoredObject,
  representation: Representation,
  status = 200,
): ApiResponse | Promise<ApiResponse> {
  if (representation.as === '' && representation.format === 'json' && served.isStored && !isPretty(request)) {
    return { status, headers: { 'content-type': 'application/json' }, body: [entry.bytes, newline] };
  }
  const object = served.toServed(entry.object());
  return valueResponse(
    request,
    representation.as === '' ? object : inVersion(transformed(request, served, object, representation), representation),
    representation,
    status,
  );
}

/** A whole list, or a page of one. */
export async function listResponse(
  request: ApiRequest,
  served: ServedResource,
  entries: readonly StoredObject[],
  metadata: ListMeta,
  representation: Representation,
): Promise<ApiResponse> {
  const asIs = representation.as === '' && representation.format === 'json' && served.isStored && !isPretty(request);
  if (asIs) {
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: listBody(served, entries, metadata),
    };
  }
  const items = entries.map((entry) => served.toServed(entry.object()));
  if (representation.as === 'Table') {
    const table = tableOf(request, served, items, metadata, true);
    return valueResponse(request, inVersion(table, representation), representation, 200);
  }
  if (representation.as !== '') {
    const list = {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata,
      items: items.map((item) => toPartialObjectMetadata(item)),
    };
    return valueResponse(request, inVersion(list, representation), representation, 200);
  }
  const { kind, apiVersion } = listTypeOf(served);
  const bare = items.map(({ kind: _kind, apiVersion: _apiVersion, ...rest }) => rest);
  return valueResponse(request, { kind, apiVersion, metadata, items: bare }, representation, 200);
}

export function listTypeOf(served: ServedResource): { kind: string; apiVersion: string } {
  return { kind: `${served.info.kind}List`, apiVersion: formatGroupVersion(served.info) };
}

function listBody(served: ServedResource, entries: readonly StoredObject[], metadata: ListMeta): ListBody {
  const { kind, apiVersion } = listTypeOf(served);
  const opening = Buffer.from(`${JSON.stringify({ kind, apiVersion, metadata }).slice(0, -1)},"items":[`);
  return new ListBody(opening, entries, served.entryHead);
}

function inVersion<T extends object>(value: T, { version }: Representation): T {
  return version === 'v1' ? value : { ...value, apiVersion: `meta.k8s.io/${version}` };
}

function transformed(
  request: ApiRequest,
  served: ServedResource,
  object: KubeObject,
  representation: Representation,
): object {
  switch (representation.as) {
    case 'Table':
      return tableOf(request, served, [object], { resourceVersion: object.metadata.resourceVersion! }, true);
    case 'PartialObjectMetadata':
    case 'PartialObjectMetadataList':
      return toPartialObjectMetadata(object);
    default:
      return object;
  }
}

/** Anything that is not stored: a review, a Scale, a Status. */
export async function valueResponse(
  request: ApiRequest,
  value: unknown,
  representation: Representation,
  status: number,
): Promise<ApiResponse> {
  if (representation.format === 'yaml') {
    return { status, headers: { 'content-type': 'application/yaml' }, body: await toYaml(value) };
  }
  // Upstream ends its compact form with a newline, and the one for people not.
  const body = isPretty(request) ? JSON.stringify(value, null, 2) : `${encodeJson(value)}\n`;
  return { status, headers: { 'content-type': 'application/json' }, body };
}

/** Loaded by the first client that wants it: few do. */
async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  const plain = JSON.parse(JSON.stringify(value));
  return stringify(plain, {
    sortMapEntries: true,
    version: '1.1',
    lineWidth: 0,
    indentSeq: false,
    aliasDuplicateObjects: false,
  });
}
