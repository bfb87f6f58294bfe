import type { RequestInfo, RequestUrl } from './request.ts';

/**
 * What a method and path ask for (upstream's RequestInfoFactory). Everything after it, authorization first of all,
 * trusts this reading, so it is upstream's to the letter:
 *
 *     GET /api/v1/namespaces/a/pods/b/log        get  pods/log "b" in "a"
 *     GET /apis/apps/v1/deployments?watch=1      watch deployments
 *     GET /api/v1/watch/namespaces/a/pods        watch pods in "a" (deprecated form)
 *     GET /api/v1/pods?fieldSelector=metadata.name=b   list pods, name "b"
 *     GET /healthz                               no resource; verb get
 */
export function parseRequestInfo(method: string, url: RequestUrl): RequestInfo {
  const path = url.pathname;
  const info: RequestInfo = {
    isResourceRequest: false,
    verb: method.toLowerCase(),
    path: path.includes('%') ? decode(path) : path,
    apiPrefix: '',
    group: '',
    version: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    parts: [],
  };
  if (!path.startsWith('/api')) return info;
  const segments = split(path);
  const prefix = segments[0];
  if ((prefix !== 'api' && prefix !== 'apis') || segments.length < (prefix === 'api' ? 3 : 4)) return info;

  info.isResourceRequest = true;
  info.apiPrefix = prefix;
  let at = 1;
  if (prefix === 'apis') info.group = segments[at++]!;
  info.version = segments[at++]!;

  let isVerbInPath = false;
  if ((segments[at] === 'watch' || segments[at] === 'proxy') && segments.length > at + 1) {
    info.verb = segments[at++]!;
    isVerbInPath = true;
  } else {
    info.verb = Object.hasOwn(verbOfMethod, method) ? verbOfMethod[method]! : '';
  }

  if (segments[at] === 'namespaces' && segments.length > at + 1) {
    info.namespace = segments[at + 1]!;
    const next = segments[at + 2];
    if (next !== undefined && next !== 'status' && next !== 'finalize') at += 2;
  }
  info.resource = segments[at] ?? '';
  info.name = segments[at + 1] ?? '';
  if (info.verb !== 'proxy') info.subresource = segments[at + 2] ?? '';
  if (segments.length > at + 3) info.parts = segments.slice(at + 3);

  if (info.name === '') {
    if (info.verb === 'get') {
      info.verb = url.search !== '' && isWatch(url.searchParams) ? 'watch' : 'list';
      narrowByName(info, url);
    } else if (isVerbInPath) {
      narrowByName(info, url);
    } else if (info.verb === 'delete') {
      info.verb = 'deletecollection';
    }
  }
  return info;
}

/** Requests that last as long as the client likes: no deadline, not counted in flight. */
export function isLongRunning(info: RequestInfo): boolean {
  return (
    info.isResourceRequest &&
    (info.verb === 'watch' || info.verb === 'proxy' || longRunningSubresources.has(info.subresource))
  );
}

const longRunningSubresources = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

const verbOfMethod: Record<string, string> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

function split(path: string): string[] {
  let start = 0;
  let end = path.length;
  while (start < end && path.charCodeAt(start) === 47) start++;
  while (end > start && path.charCodeAt(end - 1) === 47) end--;
  const segments = path.slice(start, end).split('/');
  return path.includes('%') ? segments.map(decode) : segments;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Anything but `false` and `0` asks for a watch, `?watch` and `?watch=perhaps` too. */
function isWatch(query: URLSearchParams): boolean {
  const value = query.get('watch');
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}

/** So that RBAC's resourceNames can allow a list or watch of one object. */
function narrowByName(info: RequestInfo, url: RequestUrl): void {
  if (url.search === '') return;
  const selector = url.searchParams.get('fieldSelector');
  if (!selector) return;
  for (const term of selector.split(',')) {
    const match = /^metadata\.name==?([^=].*)$/.exec(term.trim());
    if (match && !/[/%]/.test(match[1]!) && match[1] !== '.' && match[1] !== '..') info.name = match[1]!;
  }
}
