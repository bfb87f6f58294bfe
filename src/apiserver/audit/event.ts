/** One entry of the audit log: audit.k8s.io/v1 Event, and what a request alone tells of it. */
import { isIP } from 'node:net';
import { formatMicroTime } from '#apimachinery/time.ts';
import type { ApiRequest, UserInfo } from '../request.ts';
import type { Level, Stage } from './policy.ts';

/** Optional fields are undefined until known: a fixed shape, and JSON leaves them out. In upstream's order. */
export interface AuditEvent {
  kind: 'Event';
  apiVersion: 'audit.k8s.io/v1';
  level: Level;
  auditID: string;
  stage: Stage;
  requestURI: string;
  verb: string;
  user: AuditUser;
  impersonatedUser: AuditUser | undefined;
  sourceIPs: string[];
  userAgent: string | undefined;
  objectRef: ObjectReference | undefined;
  responseStatus: ResponseStatus | undefined;
  /** JSON already, on one line: see `encodeEvent`. */
  requestObject: string | undefined;
  responseObject: string | undefined;
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations: Record<string, string> | undefined;
}

export interface AuditUser {
  username?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

export interface ObjectReference {
  resource: string | undefined;
  namespace: string | undefined;
  name: string | undefined;
  uid: string | undefined;
  apiGroup: string | undefined;
  apiVersion: string | undefined;
  resourceVersion: string | undefined;
  subresource: string | undefined;
}

export interface ResponseStatus {
  metadata: Record<string, never>;
  status?: string;
  message?: string;
  reason?: string;
  details?: object;
  code: number;
}

export function newEvent(request: ApiRequest, level: Level, nowMs: number): AuditEvent {
  const received = microTime(nowMs);
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level,
    auditID: request.auditId,
    stage: 'RequestReceived',
    requestURI: request.url.pathname + request.url.search,
    verb: request.info.verb,
    user: request.user ? auditUser(request.user) : {},
    impersonatedUser: undefined,
    sourceIPs: sourceIps(request),
    userAgent: userAgentOf(request),
    objectRef: objectReference(request),
    responseStatus: undefined,
    requestObject: undefined,
    responseObject: undefined,
    requestReceivedTimestamp: received,
    stageTimestamp: received,
    annotations: undefined,
  };
}

export function auditUser({ name, uid, groups, extra }: UserInfo): AuditUser {
  const user: AuditUser = { username: name };
  if (uid) user.uid = uid;
  if (groups.length > 0) user.groups = groups;
  if (extra && Object.keys(extra).length > 0) user.extra = extra;
  return user;
}

/** The two objects are spliced in as they are: they may be megabytes, and are JSON already. */
export function encodeEvent(event: AuditEvent): string {
  const { requestObject, responseObject } = event;
  if (requestObject === undefined && responseObject === undefined) return JSON.stringify(event);
  const { requestReceivedTimestamp, stageTimestamp, annotations } = event;
  const head = JSON.stringify({
    ...event,
    requestObject: undefined,
    responseObject: undefined,
    requestReceivedTimestamp: undefined,
    stageTimestamp: undefined,
    annotations: undefined,
  }).slice(0, -1);
  const tail = JSON.stringify({ requestReceivedTimestamp, stageTimestamp, annotations }).slice(1);
  const objects =
    (requestObject === undefined ? '' : `"requestObject":${requestObject},`) +
    (responseObject === undefined ? '' : `"responseObject":${responseObject},`);
  return `${head},${objects}${tail}`;
}

let last = { ms: Number.NaN, text: '' };

/** Under load many events are of the same millisecond, and the text costs as much as the rest of the event. */
export function microTime(ms: number): string {
  if (ms !== last.ms) last = { ms, text: formatMicroTime(ms) };
  return last.text;
}

/** As upstream cuts it. */
const userAgentCharactersMax = 1024;

function userAgentOf(request: ApiRequest): string | undefined {
  const agent = request.headers['user-agent'];
  if (!agent) return undefined;
  return agent.length > userAgentCharactersMax ? `${agent.slice(0, userAgentCharactersMax)}...TRUNCATED` : agent;
}

function objectReference({ info }: ApiRequest): ObjectReference | undefined {
  if (!info.isResourceRequest) return undefined;
  return {
    resource: info.resource || undefined,
    namespace: info.namespace || undefined,
    name: info.name || undefined,
    uid: undefined,
    apiGroup: info.group || undefined,
    apiVersion: info.version || undefined,
    resourceVersion: undefined,
    subresource: info.subresource || undefined,
  };
}

/** A header may claim thousands; of more than this the last, which the nearest proxies added, are kept. */
const sourceIpsMax = 64;

/** What proxies say of whom they speak for, then who is at the other end of the connection: only that is certain. */
function sourceIps(request: ApiRequest): string[] {
  const remote = request.remoteAddress.replace(/^::ffff:/i, '');
  const forwardedFor = request.headers['x-forwarded-for'];
  const realIp = request.headers['x-real-ip'];
  if (forwardedFor === undefined && realIp === undefined) return remote === '' ? [] : [remote];
  const claimed = textOf(forwardedFor)
    .split(',')
    .map((part) => part.trim());
  const ips = claimed.filter((ip) => isIP(ip) !== 0).slice(-sourceIpsMax);
  const real = textOf(realIp).trim();
  if (isIP(real) !== 0 && !ips.includes(real)) ips.push(real);
  if (remote !== '' && ips.at(-1) !== remote) ips.push(remote);
  return ips;
}

function textOf(header: string | string[] | undefined): string {
  return Array.isArray(header) ? header.join(',') : (header ?? '');
}
