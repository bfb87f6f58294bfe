/** OpenAPI paths of resources: what clients look for in them are kinds, actions and whether a parameter is known. */
import type { ResourceInfo, SubresourceInfo } from '#apis/kind.ts';
import { type Dialect, refTo } from './schemas.ts';

type Json = Record<string, any>;

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];
const mediaTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

/** Names of schemas that paths refer to beside their kinds. */
export const pathSchemas = [`${meta}.Patch`, `${meta}.DeleteOptions`, `${meta}.Status`, `${meta}.WatchEvent`];

export function pathsOf(info: ResourceInfo, dialect: Dialect, schemaNames: ReadonlySet<string>): Json {
  const root = info.group === '' ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`;
  const collection = info.namespaced ? `${root}/namespaces/{namespace}/${info.resource}` : `${root}/${info.resource}`;
  const make = (verb: string, name = '', subresource?: SubresourceInfo) =>
    operation({ info, dialect, verb, name, subresource, schemaNames });
  const has = (verb: string) => info.verbs.includes(verb);
  const scope = info.namespaced ? 'Namespaced' : '';
  const paths: Json = {};

  const onCollection: Json = {};
  if (has('list')) onCollection['get'] = make('list', scope + info.kind);
  if (has('create')) onCollection['post'] = make('post', scope + info.kind);
  if (has('deletecollection')) onCollection['delete'] = make('deletecollection', `Collection${scope}${info.kind}`);
  if (Object.keys(onCollection).length > 0)
    paths[collection] = { ...onCollection, parameters: pathParameters(info, false, dialect) };

  const onItem: Json = {};
  if (has('get')) onItem['get'] = make('get', scope + info.kind);
  if (has('update')) onItem['put'] = make('put', scope + info.kind);
  if (has('delete')) onItem['delete'] = make('delete', scope + info.kind);
  if (has('patch')) onItem['patch'] = make('patch', scope + info.kind);
  if (Object.keys(onItem).length > 0)
    paths[`${collection}/{name}`] = { ...onItem, parameters: pathParameters(info, true, dialect) };

  for (const subresource of info.subresources.values()) {
    const path = `${collection}/{name}/${subresource.name}`;
    paths[path] = {
      ...subresourceOperations(info, subresource, make),
      parameters: pathParameters(info, true, dialect),
    };
  }
  if (info.namespaced && has('list'))
    paths[`${root}/${info.resource}`] = {
      get: make('list', `${info.kind}ForAllNamespaces`),
      parameters: listParameters.map((p) => parameter(p, 'query', dialect)),
    };
  return paths;
}

function subresourceOperations(
  info: ResourceInfo,
  subresource: SubresourceInfo,
  make: (verb: string, name: string, subresource: SubresourceInfo) => Json,
): Json {
  const methods: Record<string, string> = {
    create: 'post',
    get: 'get',
    update: 'put',
    patch: 'patch',
    delete: 'delete',
  };
  const name = `${info.namespaced ? 'Namespaced' : ''}${info.kind}${capital(subresource.name)}`;
  const isConnect = subresource.responseKind.kind.endsWith('Options');
  const operations: Json = {};
  for (const verb of subresource.verbs) {
    const method = methods[verb];
    if (method) operations[method] = make(isConnect ? `connect ${method}` : method, name, subresource);
  }
  return operations;
}

interface OperationContext {
  info: ResourceInfo;
  dialect: Dialect;
  verb: string;
  name: string;
  subresource: SubresourceInfo | undefined;
  schemaNames: ReadonlySet<string>;
}

const idVerbs: Record<string, string> = { get: 'read', post: 'create', put: 'replace', deletecollection: 'delete' };
const listParameters = [
  'allowWatchBookmarks',
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
  'watch',
];
const queryParameters: Record<string, readonly string[]> = {
  list: listParameters,
  post: ['dryRun', 'fieldManager', 'fieldValidation'],
  put: ['dryRun', 'fieldManager', 'fieldValidation'],
  patch: ['dryRun', 'fieldManager', 'fieldValidation', 'force'],
  delete: [
    'dryRun',
    'gracePeriodSeconds',
    'ignoreStoreReadErrorWithClusterBreakingPotential',
    'orphanDependents',
    'propagationPolicy',
  ],
  deletecollection: ['dryRun', 'gracePeriodSeconds', ...listParameters, 'orphanDependents', 'propagationPolicy'],
};

function operation({ info, dialect, verb, name, subresource, schemaNames }: OperationContext): Json {
  const [action = '', method] = verb.split(' ') as [string, string?];
  const kind = subresource?.responseKind ?? { group: info.group, version: info.version, kind: info.kind };
  const idVerb = method ? `connect${capital(method)}` : (idVerbs[action] ?? action);
  const answer =
    action === 'delete' || action === 'deletecollection'
      ? `${meta}.Status`
      : answerSchema(info, subresource, action, schemaNames);
  const result: Json = {
    operationId: idVerb + groupVersionName(info) + name,
    responses: { 200: response(answer, dialect), 401: { description: 'Unauthorized' } },
    tags: [groupVersionTag(info)],
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: kind.group, version: kind.version, kind: kind.kind },
  };
  const parameters = (queryParameters[action] ?? []).map((p) => parameter(p, 'query', dialect));
  const body = bodySchema(info, subresource, action, schemaNames);
  if (dialect === 'v2') {
    result['consumes'] = action === 'patch' ? patchTypes : ['*/*'];
    result['produces'] = mediaTypes;
    result['schemes'] = ['https'];
    if (body)
      parameters.unshift({ name: 'body', in: 'body', required: action !== 'delete', schema: refTo('v2', body) });
  } else if (body) {
    const types = action === 'patch' ? patchTypes : ['*/*'];
    result['requestBody'] = {
      content: Object.fromEntries(types.map((type) => [type, { schema: refTo('v3', body) }])),
      ...(action === 'delete' ? {} : { required: true }),
    };
  }
  if (parameters.length > 0) result['parameters'] = parameters;
  return result;
}

function answerSchema(
  info: ResourceInfo,
  subresource: SubresourceInfo | undefined,
  action: string,
  names: ReadonlySet<string>,
): string | undefined {
  const name = subresource
    ? subresourceSchema(info, subresource, names)
    : action === 'list'
      ? `${info.schema}List`
      : info.schema;
  return name !== undefined && names.has(name) ? name : undefined;
}

function bodySchema(
  info: ResourceInfo,
  subresource: SubresourceInfo | undefined,
  action: string,
  names: ReadonlySet<string>,
): string | undefined {
  if (action === 'patch') return `${meta}.Patch`;
  if (action === 'delete' || action === 'deletecollection') return `${meta}.DeleteOptions`;
  return action === 'post' || action === 'put' ? answerSchema(info, subresource, '', names) : undefined;
}

function subresourceSchema(
  info: ResourceInfo,
  { responseKind }: SubresourceInfo,
  names: ReadonlySet<string>,
): string | undefined {
  if (responseKind.kind === info.kind) return info.schema;
  const group = (responseKind.group.split('.')[0] || 'core').replace(/-/g, '');
  const name = `io.k8s.api.${group}.${responseKind.version}.${responseKind.kind}`;
  return names.has(name) ? name : undefined;
}

function response(schema: string | undefined, dialect: Dialect): Json {
  if (!schema) return { description: 'OK' };
  const ref = refTo(dialect, schema);
  if (dialect === 'v2') return { description: 'OK', schema: ref };
  return { description: 'OK', content: Object.fromEntries(mediaTypes.map((type) => [type, { schema: ref }])) };
}

const booleans = new Set([
  'allowWatchBookmarks',
  'sendInitialEvents',
  'watch',
  'force',
  'orphanDependents',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
]);
const integers = new Set(['limit', 'timeoutSeconds', 'gracePeriodSeconds']);

function parameter(name: string, place: 'query' | 'path', dialect: Dialect): Json {
  const type = booleans.has(name) ? 'boolean' : integers.has(name) ? 'integer' : 'string';
  const schema = { type, uniqueItems: true };
  return {
    name,
    in: place,
    ...(place === 'path' ? { required: true } : {}),
    ...(dialect === 'v2' ? schema : { schema }),
  };
}

function pathParameters(info: ResourceInfo, isItem: boolean, dialect: Dialect): Json[] {
  const names = [...(isItem ? ['name'] : []), ...(info.namespaced ? ['namespace'] : [])];
  return [...names.map((name) => parameter(name, 'path', dialect)), parameter('pretty', 'query', dialect)];
}

/** `CoreV1`, `RbacAuthorizationV1` */
function groupVersionName(info: ResourceInfo): string {
  const group = info.group === '' ? 'core' : info.group.replace(/\.k8s\.io$/, '');
  return group.split('.').map(capital).join('') + capital(info.version);
}

function groupVersionTag(info: ResourceInfo): string {
  const group = info.group === '' ? 'core' : info.group.replace(/\.k8s\.io$/, '');
  const [first = '', ...rest] = group.split('.');
  return `${first}${rest.map(capital).join('')}_${info.version}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
