/** Acting as someone else: `Impersonate-User`, `-Group`, `-Uid`, `-Extra-…`, each authorised by the verb `impersonate`. */
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import { authorize } from '../access.ts';
import { refusedResponse } from '../error-response.ts';
import type { ApiRequest, AuthorizationAttributes, Authorizer, Filter, UserInfo } from '../request.ts';

export function impersonation(authorizers: readonly Authorizer[]): Filter {
  const impersonate: Filter = async (request, next) => {
    const wanted = readWanted(request);
    if (wanted instanceof StatusError) return refusedResponse(wanted);
    for (const attributes of required(wanted, request.user!)) {
      const error = await authorize(authorizers, attributes);
      if (error) return refusedResponse(error);
    }
    request.user = withImpliedGroups(wanted);
    request.audit?.impersonate(request.user);
    return next(request);
  };
  return (request, next) => (isAsked(request) ? impersonate(request, next) : next(request));
}

const extraPrefix = 'impersonate-extra-';
const serviceAccountPrefix = 'system:serviceaccount:';

function isAsked(request: ApiRequest): boolean {
  for (const name in request.headers) if (name.startsWith('impersonate-')) return true;
  return false;
}

function readWanted(request: ApiRequest): UserInfo | StatusError {
  const headers = request.headers;
  const values = (name: string): string[] => {
    const value = headers[name];
    const all = value === undefined ? [] : Array.isArray(value) ? value : value.split(',');
    return all.map((v) => v.trim()).filter((v) => v !== '');
  };
  const name = headers['impersonate-user'];
  const groups = values('impersonate-group');
  const extra: Record<string, string[]> = {};
  for (const header in headers) {
    if (header.startsWith(extraPrefix)) extra[decode(header.slice(extraPrefix.length))] = values(header);
  }
  const uid = headers['impersonate-uid'];
  if (typeof name !== 'string' || name === '') {
    const shown = `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid ?? '')}, Groups:${goStrings(groups)}, Extra:${goMap(extra)}}`;
    return apiErrors.badRequest(`requested ${shown} without impersonating a user name`);
  }
  return {
    name,
    groups,
    ...(typeof uid === 'string' && uid !== '' ? { uid } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
}

/** As Go's `%#v` prints them, which is what upstream's message shows. */
function goStrings(texts: readonly string[]): string {
  return texts.length === 0 ? '[]string(nil)' : `[]string{${texts.map((t) => JSON.stringify(t)).join(', ')}}`;
}

function goMap(map: Record<string, string[]>): string {
  const entries = Object.entries(map).map(([key, texts]) => `${JSON.stringify(key)}:${goStrings(texts).slice(8)}`);
  return entries.length === 0 ? 'map[string][]string(nil)' : `map[string][]string{${entries.join(', ')}}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function* required(wanted: UserInfo, user: UserInfo): Generator<AuthorizationAttributes> {
  const ask = (group: string, resource: string, subresource: string, namespace: string, name: string) => ({
    user,
    verb: 'impersonate',
    resourceRequest: true,
    group,
    version: 'v1',
    resource,
    subresource,
    namespace,
    name,
    path: '',
  });
  const account = serviceAccountOf(wanted.name);
  yield account ? ask('', 'serviceaccounts', '', account[0]!, account[1]!) : ask('', 'users', '', '', wanted.name);
  for (const group of wanted.groups) yield ask('', 'groups', '', '', group);
  for (const [key, texts] of Object.entries(wanted.extra ?? {})) {
    for (const text of texts) yield ask('authentication.k8s.io', 'userextras', key, '', text);
  }
  if (wanted.uid !== undefined) yield ask('authentication.k8s.io', 'uids', '', '', wanted.uid);
}

function serviceAccountOf(name: string): string[] | undefined {
  if (!name.startsWith(serviceAccountPrefix)) return undefined;
  const parts = name.slice(serviceAccountPrefix.length).split(':');
  return parts.length === 2 && parts[0] !== '' && parts[1] !== '' ? parts : undefined;
}

/** A service account brings its own groups when none are asked for; everyone but anonymous is authenticated. */
function withImpliedGroups(wanted: UserInfo): UserInfo {
  const groups = [...wanted.groups];
  const account = serviceAccountOf(wanted.name);
  if (account && groups.length === 0) groups.push('system:serviceaccounts', `system:serviceaccounts:${account[0]}`);
  const own = wanted.name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated';
  if (!groups.includes(own) && !groups.includes('system:unauthenticated')) groups.push(own);
  return { ...wanted, groups };
}
