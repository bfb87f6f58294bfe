/** What a recorder drives: something that keeps objects, behind one or several servers. */
import type { Operation, OperationType, Outcome, WatchEventItem, WatchStart } from './history.ts';

export interface Target {
  readonly prefix: string;
  readonly servers: readonly TargetServer[];
  /** What it offers: the workload asks for nothing else. */
  readonly offers: TargetOffers;
  /** Never throws: what went wrong is an outcome. */
  perform(operation: Operation, at: TargetServer, client: string): Promise<Outcome>;
  /** Resolves when the stream is over, for whatever reason; never throws. */
  watch(request: WatchRequest, at: TargetServer, client: string, sink: TargetSink, signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface TargetServer {
  readonly name: string;
  /** It stands for several: nothing is promised from one answer to the next. */
  readonly isBalancer?: boolean;
}

export interface TargetOffers {
  readonly operations: Readonly<Partial<Record<OperationType, number>>>;
  /** By weight. */
  readonly freshness: Readonly<Partial<Record<'consistent' | 'any' | 'atLeast' | 'exact', number>>>;
  readonly selectors: boolean;
  readonly uids: boolean;
  readonly initialEvents: boolean;
}

export interface WatchRequest {
  readonly prefix: string;
  readonly labelSelector?: string;
  readonly start: WatchStart;
}

/** Without times: the recorder adds them. */
export interface TargetSink {
  event(event: Omit<WatchEventItem, 'at'>): void;
  bookmark(revision: number, isInitialEnd?: boolean): void;
  error(reason: 'expired' | 'other', message: string): void;
}
