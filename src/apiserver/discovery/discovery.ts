/**
 * Answers /api, /apis and everything below them that is not a resource, and /version. Documents are made on first use
 * and kept as bytes until the set of resources changes (`revision`).
 */
import { createHash } from 'node:crypto';
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import type { ResourceInfo } from '#apis/kind.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { type ApiGroup, apiGroups } from './api-groups.ts';
import {
  aggregatedDocument,
  apiGroupDocument,
  apiGroupListDocument,
  apiResourceListDocument,
  apiVersionsDocument,
} from './documents.ts';
import { versionInfo } from './version.ts';

export interface DiscoverySource {
  resources(): Iterable<ResourceInfo>;
  /** Changes whenever the resources do. */
  revision(): number;
}

export type DiscoveryHandler = (request: ApiRequest) => Promise<ApiResponse | undefined>;

const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const acceptedTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

/** `serverAddress`: host:port for clients of the old days, who read it in /api. `undefined`: not a discovery path. */
export function createDiscovery(source: DiscoverySource, serverAddress: string): DiscoveryHandler {
  let built:
    | { revision: number; core: ApiGroup | undefined; groups: ApiGroup[]; bytes: Map<string, Document> }
    | undefined;

  const current = () => {
    const revision = source.revision();
    if (!built || built.revision !== revision) built = { revision, ...apiGroups(source.resources()), bytes: new Map() };
    return built;
  };

  /** The document at a path, or undefined: no such group or version. */
  const make = (segments: readonly string[]): object | undefined => {
    const { core, groups } = current();
    const [root, name, version] = segments;
    if (root === 'api') {
      if (name === undefined) return apiVersionsDocument(serverAddress);
      const found = core?.versions.find((v) => v.version === name);
      return found && apiResourceListDocument('', name, found.resources);
    }
    if (name === undefined) return apiGroupListDocument(groups);
    const group = groups.find((g) => g.name === name);
    if (version === undefined) return group && apiGroupDocument(group);
    const found = group?.versions.find((v) => v.version === version);
    return found && apiResourceListDocument(name, version, found.resources);
  };

  const document = (key: string, body: () => object | undefined): Document | undefined => {
    const { bytes } = current();
    const known = bytes.get(key);
    if (known) return known;
    const object = body();
    if (!object) return undefined;
    const json = Buffer.from(`${JSON.stringify(object)}\n`);
    const made = { object, json, etag: `"${createHash('sha512').update(json).digest('hex').toUpperCase()}"` };
    bytes.set(key, made);
    return made;
  };

  return async (request) => {
    const path = request.url.pathname;
    if (path === '/version' || path === '/version/')
      return json(Buffer.from(JSON.stringify(versionInfo, undefined, 2)));
    const segments = path.split('/').filter((s) => s !== '');
    if (segments[0] !== 'api' && segments[0] !== 'apis') return undefined;
    if (segments.length > (segments[0] === 'api' ? 2 : 3)) return undefined;

    const accept = parseAccept(request.headers.accept);
    if (segments.length === 1 && accept.some(isAggregated)) {
      const { core, groups } = current();
      const made = document(`aggregated ${segments[0]}`, () =>
        aggregatedDocument(segments[0] === 'api' ? (core ? [core] : []) : groups),
      )!;
      return aggregated(made, request.headers['if-none-match']);
    }
    const made = document(segments.join('/'), () => make(segments));
    if (!made) {
      if (segments[0] === 'apis' && segments.length === 2) return undefined;
      throw new StatusError({
        code: 404,
        reason: 'NotFound',
        message: 'the server could not find the requested resource',
        details: {},
      });
    }
    const type = accept.map(plainType).find((t) => t !== undefined);
    if (!type) throw apiErrors.notAcceptable(acceptedTypes);
    if (type === 'application/json') return json(made.json);
    const { stringify } = await import('yaml');
    const body = stringify(made.object, { sortMapEntries: true, indentSeq: false, aliasDuplicateObjects: false });
    return { status: 200, headers: { 'content-type': 'application/yaml' }, body };
  };
}

interface Document {
  object: object;
  json: Buffer;
  etag: string;
}

function json(body: Buffer): ApiResponse {
  return { status: 200, headers: { 'content-type': 'application/json' }, body };
}

function aggregated(made: Document, ifNoneMatch: string | undefined): ApiResponse {
  const headers = { etag: made.etag, vary: 'Accept', 'cache-control': 'public' };
  if (ifNoneMatch === made.etag) return { status: 304, headers };
  return { status: 200, headers: { ...headers, 'content-type': aggregatedType }, body: made.json };
}

interface MediaType {
  type: string;
  parameters: Record<string, string>;
}

function parseAccept(header: string | undefined): MediaType[] {
  if (!header) return [{ type: '*/*', parameters: {} }];
  return header.split(',').map((part) => {
    const [type = '', ...rest] = part.split(';').map((p) => p.trim());
    return { type, parameters: Object.fromEntries(rest.map((p) => p.split('=') as [string, string])) };
  });
}

function isAggregated({ type, parameters: p }: MediaType): boolean {
  return (
    type === 'application/json' &&
    p['g'] === 'apidiscovery.k8s.io' &&
    p['v'] === 'v2' &&
    p['as'] === 'APIGroupDiscoveryList'
  );
}

/** Protobuf is not offered for discovery: clients that ask for it name JSON too. */
function plainType({ type, parameters }: MediaType): 'application/json' | 'application/yaml' | undefined {
  if (parameters['as'] !== undefined && parameters['g'] === 'apidiscovery.k8s.io') return undefined;
  if (type === '*/*' || type === 'application/*' || type === 'application/json') return 'application/json';
  return type === 'application/yaml' ? 'application/yaml' : undefined;
}
