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

export const backendModes = ['batch', 'blocking', 'blocking-strict'] as const;
export type BackendMode = (typeof backendModes)[number];

export interface BackendOptions {
  mode: BackendMode;
  batch: BatchOptions;
  /** Undefined: events are as large as they are. */
  truncate: { maxEventBytes: number; maxBatchBytes: number } | undefined;
}

export interface AuditBackend {
  /** False: it was not written, and the request must not go on. At once where the destination is. */
  process(event: AuditEvent): boolean | Promise<boolean>;
  /** Writes what waits, within a bound. */
  close(): Promise<void>;
}

export interface Destination {
  readonly plugin: AuditPlugin;
  /** One event, before the request goes on; throws. */
  writeNow(text: string): void | Promise<void>;
  /** Rejects. */
  write(texts: string[]): Promise<void>;
  readonly concurrency: number;
  readonly takeMax: number;
  readonly takeBytesMax: number;
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
            send: (texts) => destination.write(texts).catch((error) => lost(destination.plugin, error, texts.length)),
          },
          clock,
        )
      : undefined;

  const failed = (error: unknown): boolean => {
    lost(destination.plugin, error, 1);
    return mode !== 'blocking-strict';
  };
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
      try {
        const written = destination.writeNow(text);
        return written instanceof Promise ? written.then(() => true, failed) : true;
      } catch (error) {
        return failed(error);
      }
    },
    async close() {
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
