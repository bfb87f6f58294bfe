/**
 * The way of an event from a request to a destination: encoded (and cut, if it is too large), then written before the
 * request goes on, or put into a buffer. Whatever goes wrong is counted and logged here; only `blocking-strict` lets the
 * request know.
 */
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { AuditMetrics, AuditPlugin } from './audit-metrics.ts';
import { Batch, type BatchOptions } from './batch.ts';
import { type AuditEvent, encodeEvent } from './event.ts';
import { Turn } from './turn.ts';

export const backendModes = ['batch', 'blocking', 'blocking-strict'] as const;
export type BackendMode = (typeof backendModes)[number];

export interface BackendOptions {
  mode: BackendMode;
  batch: BatchOptions;
  /** Undefined: events are as large as they are. */
  truncate: { maxEventBytes: number; maxBatchBytes: number } | undefined;
}

export interface AuditBackend {
  /** False: it was not written, and the request must not go on. */
  process(event: AuditEvent): boolean | Promise<boolean>;
  /** Writes what waits, within a bound. */
  close(): Promise<void>;
}

export interface Destination {
  readonly plugin: AuditPlugin;
  /** Requests wait for it. Throws or rejects. */
  writeNow(texts: string[]): void | Promise<void>;
  /** Nobody waits. Rejects. */
  write(texts: string[]): Promise<void>;
  /** What is written later is there only if what was written before is. */
  readonly isOrdered: boolean;
  readonly concurrency: number;
  readonly takeMax: number;
  readonly takeBytesMax: number;
  readonly gatherMs: number;
  encode?(event: AuditEvent): string;
  close(): Promise<void>;
}

/** How long a stopping server still writes what waits. */
const closeBoundMs = 5_000;
/** The log tells of lost events this often; the metrics tell how many. */
const complaintIntervalMs = 10_000;

export function createBackend(
  destination: Destination,
  options: BackendOptions,
  context: { metrics: AuditMetrics; clock: Clock; log: Logger },
): AuditBackend {
  const { metrics, clock, log } = context;
  const { mode, truncate } = options;
  const encode = destination.encode ?? encodeEvent;
  let complainedAt = Number.NEGATIVE_INFINITY;

  const lost = (plugin: AuditPlugin, error: unknown, events: number): void => {
    metrics.error(plugin, events);
    if (clock.monotonic() - complainedAt < complaintIntervalMs) return;
    complainedAt = clock.monotonic();
    log.error({ plugin, error: messageOf(error), events }, 'audit events were lost');
  };
  const takeBytesMax = Math.min(destination.takeBytesMax, truncate?.maxBatchBytes ?? Number.POSITIVE_INFINITY);
  const batch =
    mode === 'batch'
      ? new Batch(
          options.batch,
          {
            concurrency: destination.concurrency,
            takeMax: destination.takeMax,
            takeBytesMax,
            gatherMs: destination.gatherMs,
            send: (texts) => destination.write(texts).catch((error) => lost(destination.plugin, error, texts.length)),
          },
          clock,
        )
      : undefined;

  const writeNow = (texts: string[]): boolean | Promise<boolean> => {
    const failed = (error: unknown): boolean => {
      lost(destination.plugin, error, texts.length);
      return mode !== 'blocking-strict';
    };
    try {
      const written = destination.writeNow(texts);
      return written instanceof Promise ? written.then(() => true, failed) : true;
    } catch (error) {
      return failed(error);
    }
  };
  const turn = new Turn(writeNow, clock);
  // A request that is not refused for it need not wait for its first event: its last is behind it, and waited for.
  const isFirstAwaited = mode === 'blocking-strict' || !destination.isOrdered;
  return {
    process(event) {
      const text = truncate ? truncated(event, truncate.maxEventBytes, encode) : encode(event);
      if (text === undefined) {
        lost('truncate', 'event is too large even after truncating', 1);
        return true;
      }
      if (batch) {
        if (!batch.add(text)) lost('buffered', 'audit buffer queue blocked', 1);
        return true;
      }
      if (isFirstAwaited || event.stage !== 'RequestReceived') return turn.add(text);
      turn.addBehind(text);
      return true;
    },
    async close() {
      turn.flush();
      const left = (await batch?.close(closeBoundMs)) ?? 0;
      if (left > 0) lost('buffered', 'the server stopped', left);
      await destination.close();
    },
  };
}

export const truncatedAnnotation = 'audit.k8s.io/truncated';

/** Without its objects if it is too large with them; undefined: it is too large even so. */
function truncated(event: AuditEvent, bytesMax: number, encode: (event: AuditEvent) => string): string | undefined {
  const text = encode(event);
  if (Buffer.byteLength(text) <= bytesMax) return text;
  if (event.requestObject === undefined && event.responseObject === undefined) return undefined;
  const shorter = encode({
    ...event,
    requestObject: undefined,
    responseObject: undefined,
    annotations: { ...event.annotations, [truncatedAnnotation]: 'true' },
  });
  return Buffer.byteLength(shorter) <= bytesMax ? shorter : undefined;
}
