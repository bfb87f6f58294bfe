import type { FieldError } from './field-error.ts';
import { formatGroupKind, formatGroupResource, type GroupKind, type GroupResource } from './group-version.ts';

/**
 * The catalogue of what an API server answers when it cannot do what was asked: reason, HTTP code, details, worded
 * as upstream words them (apimachinery api/errors). Thrown anywhere behind the HTTP edge; the edge writes `status`.
 * `cause` keeps what the log should know and the client should not.
 */
export class StatusError extends Error {
  override name = 'StatusError';
  readonly status: Status;

  constructor(status: Omit<Status, 'kind' | 'apiVersion' | 'metadata' | 'status'>, options?: ErrorOptions) {
    super(status.message, options);
    this.status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', ...status };
  }

  get code(): number {
    return this.status.code;
  }

  get reason(): StatusReason | undefined {
    return this.status.reason;
  }
}

export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: object;
  status: 'Success' | 'Failure';
  message: string;
  reason?: StatusReason;
  details?: StatusDetails;
  code: number;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export type StatusReason =
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Invalid'
  | 'ServerTimeout'
  | 'StoreReadError'
  | 'Timeout'
  | 'TooManyRequests'
  | 'BadRequest'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'InternalError'
  | 'Expired'
  | 'ServiceUnavailable'
  | 'InsufficientStorage';

export function isStatusError(error: unknown, reason?: StatusReason): error is StatusError {
  return error instanceof StatusError && (reason === undefined || error.status.reason === reason);
}

/** Details without the empty strings that upstream's JSON leaves out. */
function details(gr: { group: string; kind: string }, name: string, more: StatusDetails = {}): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(gr.group === '' ? {} : { group: gr.group }),
    ...(gr.kind === '' ? {} : { kind: gr.kind }),
    ...more,
  };
}
const ofResource = (gr: GroupResource) => ({ group: gr.group, kind: gr.resource });

/** A body of 3 MB can be wrong in a hundred thousand places: the answer need not name them all. */
const fieldErrorsMax = 1000;

export const apiErrors = {
  notFound: (gr: GroupResource, name: string) =>
    new StatusError({
      code: 404,
      reason: 'NotFound',
      message: `${formatGroupResource(gr)} "${name}" not found`,
      details: details(ofResource(gr), name),
    }),
  alreadyExists: (gr: GroupResource, name: string) =>
    new StatusError({
      code: 409,
      reason: 'AlreadyExists',
      message: `${formatGroupResource(gr)} "${name}" already exists`,
      details: details(ofResource(gr), name),
    }),
  conflict: (gr: GroupResource, name: string, why: string, causes?: StatusCause[]) =>
    new StatusError({
      code: 409,
      reason: 'Conflict',
      message: `Operation cannot be fulfilled on ${formatGroupResource(gr)} "${name}": ${why}`,
      details: details(ofResource(gr), name, causes ? { causes } : {}),
    }),
  invalid: (gk: GroupKind, name: string, all: readonly FieldError[]) => {
    const errors = all.length > fieldErrorsMax ? all.slice(0, fieldErrorsMax) : all;
    const texts = [...new Set(errors.map((e) => `${e.field}: ${e.message}`))];
    const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
    return new StatusError({
      code: 422,
      reason: 'Invalid',
      message: `${formatGroupKind(gk)} "${name}" is invalid${texts.length ? `: ${text}` : ''}`,
      details: details(gk, name, {
        causes: errors.map((e) => ({ reason: e.type, message: e.message, field: e.field })),
      }),
    });
  },
  badRequest: (message: string) => new StatusError({ code: 400, reason: 'BadRequest', message }),
  unauthorized: (message = 'Unauthorized') => new StatusError({ code: 401, reason: 'Unauthorized', message }),
  forbidden: (gr: GroupResource, name: string, why: string) =>
    new StatusError({
      code: 403,
      reason: 'Forbidden',
      message:
        gr.resource === ''
          ? `forbidden: ${why}`
          : name === ''
            ? `${formatGroupResource(gr)} is forbidden: ${why}`
            : `${formatGroupResource(gr)} "${name}" is forbidden: ${why}`,
      details: details(ofResource(gr), name),
    }),
  methodNotSupported: (gr: GroupResource, verb: string) =>
    new StatusError({
      code: 405,
      reason: 'MethodNotAllowed',
      message: `${verb} is not supported on resources of kind "${formatGroupResource(gr)}"`,
      details: details(ofResource(gr), ''),
    }),
  /** A resourceVersion or continue token older than what is kept. */
  expired: (message: string) => new StatusError({ code: 410, reason: 'Expired', message }),
  timeout: (message: string, retryAfterSeconds: number) =>
    new StatusError({
      code: 504,
      reason: 'Timeout',
      message: `Timeout: ${message}`,
      details: retryAfterSeconds > 0 ? { retryAfterSeconds } : {},
    }),
  serverTimeout: (gr: GroupResource, operation: string, retryAfterSeconds: number) =>
    new StatusError({
      code: 500,
      reason: 'ServerTimeout',
      message: `The ${operation} operation against ${formatGroupResource(gr)} could not be completed at this time, please try again.`,
      details: details({ group: gr.group, kind: gr.resource }, operation, { retryAfterSeconds }),
    }),
  tooManyRequests: (message: string, retryAfterSeconds: number) =>
    new StatusError({ code: 429, reason: 'TooManyRequests', message, details: { retryAfterSeconds } }),
  serviceUnavailable: (message: string, retryAfterSeconds = 0) =>
    new StatusError({
      code: 503,
      reason: 'ServiceUnavailable',
      message,
      ...(retryAfterSeconds > 0 ? { details: { retryAfterSeconds } } : {}),
    }),
  /** Ours: upstream passes etcd's words on with code 500. No Retry-After, for time alone makes no room. */
  insufficientStorage: (message: string) => new StatusError({ code: 507, reason: 'InsufficientStorage', message }),
  requestEntityTooLarge: (message: string) =>
    new StatusError({ code: 413, reason: 'RequestEntityTooLarge', message: `Request entity too large: ${message}` }),
  unsupportedMediaType: (accepted: readonly string[]) =>
    new StatusError({
      code: 415,
      reason: 'UnsupportedMediaType',
      message: `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
    }),
  notAcceptable: (accepted: readonly string[]) =>
    new StatusError({
      code: 406,
      reason: 'NotAcceptable',
      message: `only the following media types are accepted: ${accepted.join(', ')}`,
    }),
  internal: (cause: unknown) => {
    const text = cause instanceof Error ? cause.message : String(cause);
    return new StatusError(
      {
        code: 500,
        reason: 'InternalError',
        message: `Internal error occurred: ${text}`,
        details: { causes: [{ message: text }] },
      },
      { cause },
    );
  },
};
