import type { PodInfo } from '../framework/pod-info.ts';

/** A pod that waits to be scheduled, and what happened to it so far. */
export interface QueuedPodInfo {
  key: string;
  info: PodInfo;
  /** Monotonic: when it last came into the queue; whoever waits longer goes first. */
  timestampMs: number;
  /** Ties of the timestamp. */
  sequence: number;
  /** Monotonic: the first attempt; undefined before it. */
  firstAttemptMs: number | undefined;
  attempts: number;
  /** How often it found no node; decides its back-off. */
  unschedulableCount: number;
  /** How often in a row something broke; decides its back-off when there was any. */
  consecutiveErrors: number;
  /** Who refused it: it is tried again when something happens that could change their minds. */
  unschedulablePlugins: Set<string>;
  /** A preEnqueue plugin holds it back. */
  isGated: boolean;
}
