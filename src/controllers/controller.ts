/**
 * What a controller is given and what it gives. One folder per controller; siblings never import each other. A
 * controller reconciles from current state, never from an event's content.
 */
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { ApiClient } from '#client/client.ts';
import type { InformerFactory } from '#client/informer.ts';
import type { EventRecorder } from '#client/recorder.ts';
import type { WorkQueue } from '#client/workqueue.ts';

export interface ControllerContext {
  /** Acts as the controller's own service account: what its role does not allow is refused. */
  client: ApiClient;
  informers: InformerFactory;
  recorder: EventRecorder;
  newQueue(name: string): WorkQueue;
  clock: Clock;
  log: Logger;
  options: ControllerOptions;
}

/** The flags that reach controllers. */
export interface ControllerOptions {
  /** To be published in every namespace; undefined: nothing is. */
  rootCaPem?: string;
  /** How long a node may be silent. */
  nodeMonitorGracePeriodMs: number;
  /** How often silence is looked for. */
  nodeMonitorPeriodMs: number;
  concurrentSyncs: number;
}

export interface Controller {
  /** Upstream's name: `deployment-controller`. */
  readonly name: string;
  /** Asks for its informers when made; works from here until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}
