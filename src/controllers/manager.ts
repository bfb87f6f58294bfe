/** The list of controllers, and running them: as long as this process leads. */
import facts from '#apis/facts/controllers.json' with { type: 'json' };
import type { Clock } from '#base/clock.ts';
import { UsageError } from '#base/flags.ts';
import type { Logger } from '#base/log.ts';
import type { ApiClient } from '#client/client.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import { createInformerFactory } from '#client/informer-factory.ts';
import { createWorkQueue } from '#client/rate-limiting-queue.ts';
import { clusterRoleAggregationController } from './clusterrole-aggregation/clusterrole-aggregation-controller.ts';
import type { Controller, ControllerContext, ControllerOptions } from './controller.ts';
import { deploymentController } from './deployment/deployment-controller.ts';
import { endpointsController } from './endpoints/endpoints-controller.ts';
import { endpointSliceController } from './endpointslice/endpointslice-controller.ts';
import { garbageCollector } from './garbage-collector/garbage-collector.ts';
import { namespaceController } from './namespace/namespace-controller.ts';
import { nodeLifecycleController } from './node-lifecycle/node-lifecycle-controller.ts';
import { podGarbageCollector } from './pod-garbage-collector/pod-garbage-collector.ts';
import { replicaSetController } from './replicaset/replicaset-controller.ts';
import { rootCaPublisher } from './root-ca/root-ca-publisher.ts';
import { serviceAccountController } from './serviceaccount/serviceaccount-controller.ts';

/** By upstream's names, as `--controllers` takes them. */
const constructors: Record<string, (context: ControllerContext) => Controller> = {
  'deployment-controller': deploymentController,
  'replicaset-controller': replicaSetController,
  'endpoints-controller': endpointsController,
  'endpointslice-controller': endpointSliceController,
  'namespace-controller': namespaceController,
  'garbage-collector-controller': garbageCollector,
  'serviceaccount-controller': serviceAccountController,
  'root-ca-certificate-publisher-controller': rootCaPublisher,
  'node-lifecycle-controller': nodeLifecycleController,
  'clusterrole-aggregation-controller': clusterRoleAggregationController,
  'pod-garbage-collector-controller': podGarbageCollector,
};

/** `*` all, `foo` also foo, `-foo` not foo; upstream's names that we do not run are passed over. */
export function selectControllers(words: readonly string[], known: ReadonlySet<string>): string[] {
  for (const word of words) {
    const name = word.replace(/^-/, '');
    if (name !== '*' && !known.has(name))
      throw new UsageError(`--controllers: there is no controller ${JSON.stringify(name)}`);
  }
  const isAll = words.length === 0 || words.includes('*');
  return Object.keys(constructors).filter((name) => !words.includes(`-${name}`) && (isAll || words.includes(name)));
}

/** The service account whose role upstream's bootstrap policy defines for this controller. */
function accountOf(controller: string): string {
  const fact = facts.controllers.find((c) => c.name === controller)?.clientName;
  return (Array.isArray(fact) ? fact[0] : fact) ?? controller;
}

export interface ManagerOptions {
  /** For what the controllers watch, shared by all. */
  client: ApiClient;
  /** What a controller writes with. `account`: the name of its service account. */
  clientFor(account: string): ApiClient;
  controllers: readonly string[];
  options: ControllerOptions;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** One term of leadership: informers and controllers from nothing, until the signal aborts. */
export async function runControllers(manager: ManagerOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, random, log, options } = manager;
  const informers = createInformerFactory({ client, clock, random, log });
  const clients = new Map<string, ApiClient>();
  const clientFor = (controller: string) => {
    const existing = clients.get(controller) ?? manager.clientFor(accountOf(controller));
    clients.set(controller, existing);
    return existing;
  };
  const controllers = manager.controllers.map((name) =>
    constructors[name]!({
      client: clientFor(name),
      informers,
      recorder: createEventRecorder({ client: clientFor(name), component: name, clock, random, log }),
      newQueue: (queue) => createWorkQueue({ name: queue, clock, log }),
      clock,
      log: log.child({ controller: name }),
      options,
    }),
  );
  await Promise.all([informers.run(signal), ...controllers.map((c) => c.run(signal))]);
}
