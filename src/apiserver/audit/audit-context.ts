/**
 * The record of one request as it grows: filters and endpoints add what they know, and each stage that is reached sends
 * what is known by then to the backends.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { type Status, StatusError } from '#apimachinery/status-error.ts';
import type { KindDefinition } from '#apis/kind.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { ApiRequest, ApiResponse, RequestAudit, StreamedBody, UserInfo } from '../request.ts';
import { truncatedAnnotation } from './backend.ts';
import type { Auditor } from './configure.ts';
import { type AuditEvent, auditUser, microTime, newEvent, type ResponseStatus } from './event.ts';
import type { Outcome, Stage } from './policy.ts';

/** Of a request's or answer's object: larger ones are left out, and the annotation says so. As large as a body may be. */
export const objectBytesMax = 3 * 1024 * 1024;
/** By anyone, of any size: a record is no place for more. */
const annotationsMax = 64;

export class AuditContext implements RequestAudit {
  readonly event: AuditEvent;
  readonly #auditor: Auditor;
  readonly #outcome: Outcome;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(auditor: Auditor, request: ApiRequest, outcome: Outcome, clock: Pick<Clock, 'now'>) {
    this.#auditor = auditor;
    this.#outcome = outcome;
    this.#clock = clock;
    this.event = newEvent(request, outcome.level, clock.now());
  }

  /** False: it was not stored, and the request must not go on. */
  reach(stage: Stage): boolean | Promise<boolean> {
    if (this.#outcome.omitStages.has(stage)) return true;
    this.event.stage = stage;
    if (stage !== 'RequestReceived') this.event.stageTimestamp = microTime(this.#clock.now());
    this.#auditor.metrics.events++;
    return this.#auditor.process(this.event);
  }

  annotate(key: string, value: string): void {
    const annotations = this.event.annotations ?? {};
    // Upstream's rule too: what was said first stays.
    if (Object.hasOwn(annotations, key) || Object.keys(annotations).length >= annotationsMax) return;
    annotations[key] = value;
    this.event.annotations = annotations;
  }

  impersonate(user: UserInfo): void {
    this.event.impersonatedUser = auditUser(user);
  }

  requestObject(object: Partial<KubeObject>, kind?: Pick<KindDefinition, 'setDefaults'>): void {
    const reference = this.event.objectRef;
    if (reference && object.metadata) {
      const { namespace, name, uid, resourceVersion } = object.metadata;
      reference.namespace ??= textOf(namespace);
      reference.name ??= textOf(name);
      reference.uid ??= textOf(uid);
      reference.resourceVersion ??= textOf(resourceVersion);
    }
    if (!this.#wantsRequest) return;
    let text = JSON.stringify(object);
    if (kind?.setDefaults || this.#outcome.omitManagedFields) {
      const copy = JSON.parse(text);
      kind?.setDefaults?.(copy);
      if (this.#outcome.omitManagedFields) dropManagedFields(copy);
      text = JSON.stringify(copy);
    }
    this.event.requestObject = this.#bounded(text);
  }

  requestPatch(patch: unknown): void {
    if (this.#wantsRequest) this.event.requestObject = this.#bounded(JSON.stringify(patch));
  }

  get wantsResponse(): boolean {
    return this.#outcome.level === 'RequestResponse';
  }

  /** The answer before it is compressed. */
  async responseObject(response: ApiResponse): Promise<void> {
    const type = String(response.headers?.['content-type'] ?? '');
    const isYaml = type.startsWith('application/yaml');
    if (response.body === undefined || (!isYaml && !type.startsWith('application/json'))) return;
    if (sizeOf(response.body) > objectBytesMax) return this.#leaveOut();
    // It can be read but once: what is sent is what was read.
    if (isStreamed(response.body)) response.body = readAll(response.body);
    const text = bodyText(response.body).trim();
    if (!isYaml && !this.#outcome.omitManagedFields && !text.includes('\n')) {
      this.event.responseObject = text;
      return;
    }
    const value: unknown = isYaml ? (await import('yaml')).parse(text) : JSON.parse(text);
    if (this.#outcome.omitManagedFields) dropManagedFields(value);
    this.event.responseObject = this.#bounded(JSON.stringify(value));
  }

  /** What the answer says of itself: its code, and the Status if it is one. */
  answered(response: ApiResponse): void {
    const status = statusIn(response);
    this.event.responseStatus = status ? responseStatus(status) : { metadata: {}, code: response.status };
  }

  /** Thrown in place of an answer; the stage it ends in. */
  failed(error: unknown, isClientGone: boolean): Stage {
    if (error instanceof StatusError) {
      this.event.responseStatus = responseStatus(error.status);
      if (this.wantsResponse) this.event.responseObject = JSON.stringify(error.status);
      return 'ResponseComplete';
    }
    if (isClientGone) {
      this.event.responseStatus = { metadata: {}, status: 'Success', message: 'Connection closed early', code: 200 };
      return 'ResponseComplete';
    }
    this.event.responseStatus = {
      metadata: {},
      status: 'Failure',
      message: `APIServer panic'd: ${messageOf(error)}`,
      reason: 'InternalError',
      code: 500,
    };
    return 'Panic';
  }

  get #wantsRequest(): boolean {
    return this.#outcome.level === 'Request' || this.#outcome.level === 'RequestResponse';
  }

  #bounded(text: string): string | undefined {
    if (text.length <= objectBytesMax) return text;
    this.#leaveOut();
    return undefined;
  }

  #leaveOut(): void {
    this.annotate(truncatedAnnotation, 'true');
  }
}

function responseStatus({ status, message, reason, details, code }: Status): ResponseStatus {
  return {
    metadata: {},
    ...(status ? { status } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details ? { details } : {}),
    code,
  };
}

const statusHeads = ['{"kind":"Status"', '{\n  "kind": "Status"'];

/** Refusals that were answered, and successes that have no object to show. Nothing else is parsed. */
function statusIn({ status, body, headers }: ApiResponse): Status | undefined {
  if (body === undefined || isStreamed(body) || headers?.['content-encoding'] !== undefined) return undefined;
  const first = typeof body === 'string' || Buffer.isBuffer(body) ? body : body[0];
  if (first === undefined || (status < 400 && !statusHeads.some((head) => startsWith(first, head)))) return undefined;
  try {
    const value = JSON.parse(bodyText(body));
    return value?.kind === 'Status' ? { ...value, code: value.code ?? status } : undefined;
  } catch {
    return undefined;
  }
}

function startsWith(text: string | Buffer, head: string): boolean {
  return typeof text === 'string' ? text.startsWith(head) : text.toString('latin1', 0, head.length) === head;
}

type Body = NonNullable<ApiResponse['body']>;

function isStreamed(body: Body): body is StreamedBody {
  return typeof body === 'object' && 'read' in body && !Buffer.isBuffer(body);
}

function readAll(body: StreamedBody): Buffer {
  const all = Buffer.alloc(body.byteLength);
  for (let at = 0; at < all.length; ) at += body.read(all.subarray(at));
  return all;
}

function sizeOf(body: Body): number {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return body.length;
  if (isStreamed(body)) return body.byteLength;
  return body.reduce((sum, part) => sum + part.length, 0);
}

function bodyText(body: Exclude<Body, StreamedBody>): string {
  return typeof body === 'string' || Buffer.isBuffer(body) ? body.toString() : Buffer.concat(body).toString();
}

/** Of an object, and of a list's or table's objects. */
function dropManagedFields(value: any): void {
  delete value?.metadata?.managedFields;
  if (Array.isArray(value?.items)) for (const item of value.items) delete item?.metadata?.managedFields;
  if (Array.isArray(value?.rows)) for (const row of value.rows) delete row?.object?.metadata?.managedFields;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
