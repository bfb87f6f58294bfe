/**
 * /openapi/v3 (an index, and a document for each group version) and /openapi/v2 (all in one), from the scheme's facts.
 * Documents are made on first use and kept as bytes. kubectl reads v3 as JSON: for explain, for patches, and to see
 * whether the server checks unknown fields. The protobuf forms are not offered.
 */
import { createHash } from 'node:crypto';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { ResourceInfo } from '#apis/kind.ts';
import type { Scheme } from '#apis/scheme.ts';
import { kubernetesVersion } from '../discovery/version.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { pathSchemas, pathsOf } from './paths.ts';
import { closure, type SchemaFact, toSchema } from './schemas.ts';

type Json = Record<string, any>;

interface Document {
  bytes: Buffer;
  etag: string;
}

/** `undefined`: not one of its paths. */
export function createOpenApi(scheme: Scheme, lastModified: string) {
  const documents = new Map<string, Document>();
  const keep = (key: string, make: () => Json): Document => {
    let document = documents.get(key);
    if (!document) {
      const bytes = Buffer.from(JSON.stringify(make()));
      document = { bytes, etag: `"${sha512(bytes)}"` };
      documents.set(key, document);
    }
    return document;
  };
  let gvPaths: ReadonlyMap<string, ResourceInfo[]> | undefined;

  return async (request: ApiRequest): Promise<ApiResponse | undefined> => {
    const path = request.url.pathname;
    if (!path.startsWith('/openapi/')) return undefined;
    gvPaths ??= groupVersionPaths(scheme);
    const headers = { 'last-modified': lastModified, 'accept-ranges': 'bytes' };
    if (path === '/openapi/v3' || path === '/openapi/v3/') {
      const { bytes } = keep('v3', () => index(gvPaths!));
      return { status: 200, headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' }, body: bytes };
    }
    if (path === '/openapi/v2') {
      checkAccept(request);
      const document = keep('v2', () => v2Document(scheme));
      return answer(request, document, { ...headers, vary: 'Accept-Encoding, Accept' });
    }
    if (!path.startsWith('/openapi/v3/')) return undefined;
    const key = path.slice('/openapi/v3/'.length);
    const resources = gvPaths.get(key);
    if (!resources) return { status: 404 };
    checkAccept(request);
    const document = keep(`v3 ${key}`, () => v3Document(scheme, resources));
    const hash = request.url.searchParams.get('hash');
    const immutable: Record<string, string> = hash === hashOf(key) ? { 'cache-control': 'public, immutable' } : {};
    return answer(request, document, { ...headers, ...immutable, vary: 'Accept' });
  };
}

function answer(request: ApiRequest, document: Document, headers: Record<string, string>): ApiResponse {
  const all = { ...headers, etag: document.etag };
  if (request.headers['if-none-match'] === document.etag) return { status: 304, headers: all };
  return { status: 200, headers: { ...all, 'content-type': 'application/json' }, body: document.bytes };
}

function checkAccept(request: ApiRequest): void {
  const accept = request.headers.accept;
  if (accept && !/application\/json|\*\/\*|application\/\*/.test(accept))
    throw apiErrors.notAcceptable(['application/json']);
}

/** Every path of the index; those that are no group versions have documents without schemas of their own. */
function groupVersionPaths(scheme: Scheme): Map<string, ResourceInfo[]> {
  const paths = new Map<string, ResourceInfo[]>();
  for (const plain of ['.well-known/openid-configuration', 'api', 'apis', 'openid/v1/jwks', 'version'])
    paths.set(plain, []);
  for (const info of scheme.resources()) {
    if (info.group !== '') paths.set(`apis/${info.group}`, []);
    const key = info.group === '' ? `api/${info.version}` : `apis/${info.group}/${info.version}`;
    const list = paths.get(key);
    if (list) list.push(info);
    else paths.set(key, [info]);
  }
  return paths;
}

function index(paths: ReadonlyMap<string, unknown>): Json {
  const entries = [...paths.keys()]
    .sort()
    .map((key) => [key, { serverRelativeURL: `/openapi/v3/${key}?hash=${hashOf(key)}` }]);
  return { paths: Object.fromEntries(entries) };
}

/** Built-in documents change with the release only, so that the index need not make them all. */
function hashOf(key: string): string {
  return sha512(Buffer.from(`${kubernetesVersion} ${key}`));
}

const info = { title: 'Kubernetes', version: kubernetesVersion };
const bearer = { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' };

function v3Document(scheme: Scheme, resources: readonly ResourceInfo[]): Json {
  const known = new Set(scheme.schemas.names());
  const paths = Object.assign({}, ...resources.map((r) => pathsOf(r, 'v3', known)));
  const used = closure(resources.length > 0 ? schemasOf(resources, scheme) : [], (name) => factOf(scheme, name));
  return {
    openapi: '3.0.0',
    info,
    paths,
    components: {
      schemas: Object.fromEntries([...used].sort().map((name) => [name, toSchema(factOf(scheme, name)!, 'v3')])),
      securitySchemes: { BearerToken: bearer },
    },
  };
}

function v2Document(scheme: Scheme): Json {
  const known = new Set(scheme.schemas.names());
  const resources = [...scheme.resources()];
  const used = closure(schemasOf(resources, scheme), (name) => factOf(scheme, name));
  return {
    swagger: '2.0',
    info,
    paths: Object.assign({}, ...resources.map((r) => pathsOf(r, 'v2', known))),
    definitions: Object.fromEntries([...used].sort().map((name) => [name, toSchema(factOf(scheme, name)!, 'v2')])),
    securityDefinitions: { BearerToken: bearer },
    security: [{ BearerToken: [] }],
  };
}

function factOf(scheme: Scheme, name: string): SchemaFact | undefined {
  return scheme.schemas.get(name) as SchemaFact | undefined;
}

/** Kinds, their lists, what subresources answer with, and what all paths use. */
function schemasOf(resources: readonly ResourceInfo[], scheme: Scheme): Set<string> {
  const names = new Set(pathSchemas);
  for (const resource of resources) {
    names.add(resource.schema);
    names.add(`${resource.schema}List`);
    for (const { responseKind } of resource.subresources.values()) {
      const name = scheme.schemaName(responseKind);
      if (name) names.add(name);
    }
  }
  return names;
}

function sha512(bytes: Buffer): string {
  return createHash('sha512').update(bytes).digest('hex').toUpperCase();
}
