/**
 * The audit log's place in the chain: it knows who asked, and sees what became of it. A request that the policy leaves
 * out costs the look at the policy and nothing more.
 */
import { StatusError } from '#apimachinery/status-error.ts';
import type { Clock } from '#base/clock.ts';
import { AuditContext } from '../audit/audit-context.ts';
import type { Auditor } from '../audit/configure.ts';
import type { ApiRequest, ApiResponse, Filter, Handler, ResponseSink } from '../request.ts';
import { isLongRunning } from '../request-info.ts';

/** Inside authentication, outside impersonation: the record names both users. */
export function audit(auditor: Auditor, clock: Clock): Filter {
  return (request, next) => {
    const context = begin(auditor, request, clock);
    return context ? audited(auditor, context, request, next) : next(request);
  };
}

/** Outside authentication: what fails there gets no further, and is recorded as upstream records it, in one stage. */
export function auditFailedAuthentication(auditor: Auditor, clock: Clock): Filter {
  const failed = async (request: ApiRequest, error: unknown): Promise<never> => {
    const isUnauthorized = error instanceof StatusError && error.status.code === 401;
    const context = isUnauthorized && request.user === undefined ? begin(auditor, request, clock) : undefined;
    if (context) {
      context.failed(error, false);
      await context.reach('ResponseStarted');
    }
    throw error;
  };
  return (request, next) => {
    let answer: Promise<ApiResponse>;
    try {
      answer = next(request);
    } catch (error) {
      return failed(request, error);
    }
    // Known at once in the common case: then there is nothing to wait for.
    return request.user === undefined ? answer.catch((error) => failed(request, error)) : answer;
  };
}

/** Innermost, where an answer is not compressed yet: the objects of answers, for the level that wants them. */
export const auditResponseObjects: Filter = (request, next) => {
  return request.audit?.wantsResponse ? recorded(request, next) : next(request);
};

async function recorded(request: ApiRequest, next: Handler): Promise<ApiResponse> {
  const response = await next(request);
  if (isOfApi(request, response)) await request.audit!.responseObject(response);
  return response;
}

/** Objects and discovery; not what only happens to be JSON, such as /version and /openapi. */
function isOfApi({ info }: ApiRequest, response: ApiResponse): boolean {
  return info.isResourceRequest || /^\/apis?(\/|$)/.test(info.path) || response.status >= 400;
}

function begin(auditor: Auditor, request: ApiRequest, clock: Clock): AuditContext | undefined {
  const outcome = auditor.evaluate(request.info, request.user);
  auditor.metrics.level(outcome.level);
  return outcome.level === 'None' ? undefined : new AuditContext(auditor, request, outcome, clock);
}

async function audited(
  auditor: Auditor,
  context: AuditContext,
  request: ApiRequest,
  next: Handler,
): Promise<ApiResponse> {
  const isStored = context.reach('RequestReceived');
  if (!(typeof isStored === 'boolean' ? isStored : await isStored)) {
    auditor.metrics.requestsRejected++;
    return notStored(request);
  }
  request.audit = context;
  const isLong = isLongRunning(request.info);
  // From now on it tells when the client leaves, also one that does so before it is answered.
  const signal = isLong ? request.signal : undefined;
  let response: ApiResponse;
  try {
    response = await next(request);
  } catch (error) {
    const stage = context.failed(error, request.signal.aborted && error === request.signal.reason);
    if (isLong && stage !== 'Panic') await written(context.reach('ResponseStarted'));
    await written(context.reach(stage));
    throw error;
  }
  context.answered(response);
  if (isLong) await written(context.reach('ResponseStarted'));
  if (response.stream && signal) return { ...response, stream: recordedToItsEnd(context, response.stream, signal) };
  await written(context.reach('ResponseComplete'));
  return response;
}

/** Late failures are counted, and concern nobody any more. */
function written(answer: boolean | Promise<boolean>): Promise<boolean> | undefined {
  return typeof answer === 'boolean' ? undefined : answer;
}

/** A stream is complete when it ends, or its client has gone. */
function recordedToItsEnd(
  context: AuditContext,
  stream: NonNullable<ApiResponse['stream']>,
  signal: AbortSignal,
): NonNullable<ApiResponse['stream']> {
  let isOver = false;
  const end = () => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener('abort', end);
    context.reach('ResponseComplete');
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return (sink) => stream(new RecordedSink(sink, end));
}

class RecordedSink implements ResponseSink {
  readonly #sink: ResponseSink;
  readonly #onEnd: () => void;

  constructor(sink: ResponseSink, onEnd: () => void) {
    this.#sink = sink;
    this.#onEnd = onEnd;
  }

  write(chunk: Buffer | string): boolean {
    return this.#sink.write(chunk);
  }

  onDrain(fn: () => void): void {
    this.#sink.onDrain(fn);
  }

  end(): void {
    this.#sink.end();
    this.#onEnd();
  }

  get bufferedBytes(): number {
    return this.#sink.bufferedBytes;
  }
}

/** Plain text, as upstream answers what it could not even record. */
function notStored({ info }: ApiRequest): ApiResponse {
  return {
    status: 500,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: `Internal Server Error: ${JSON.stringify(info.path)}: failed to store audit event\n`,
  };
}
