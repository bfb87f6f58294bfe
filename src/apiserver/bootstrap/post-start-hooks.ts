/**
 * What a server does once it listens, and the health checks that say how far it is. Everything that does not need
 * another thing first runs side by side: a fresh cluster is ready after two round trips to the store.
 */
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { HealthCheck } from '../health/health.ts';
import type { Registry } from '../registry/registry.ts';
import { type BootstrapParameters, bootstrapNamespaces, bootstrapObjects, bootstrapRbac } from './bootstrap-objects.ts';
import { ensureObjects } from './ensure-objects.ts';
import { reconcileRbac } from './reconcile-rbac.ts';

export interface PostStartHooks {
  /** Keeps trying until all is there or the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** By upstream's names of the checks. */
  checks: ReadonlyMap<string, HealthCheck>;
}

export interface PostStartOptions {
  registry: Registry;
  parameters: BootstrapParameters;
  /** Joins the endpoints; claims the identity. */
  joinEndpoints: () => Promise<void>;
  acquireIdentity: () => Promise<void>;
  clock: Clock;
  log: Logger;
}

const retryMs = 500;

export function createPostStartHooks(options: PostStartOptions): PostStartHooks {
  const { registry, parameters, clock, log } = options;
  const ensure = async (
    objects: Promise<Parameters<typeof ensureObjects>[1]>,
    reconcile?: Parameters<typeof ensureObjects>[3],
  ) => ensureObjects(registry, await objects, clock, reconcile);

  /** Independent of each other: objects go to the storage as they are, so not even namespaces must come first. */
  const hooks: [names: string[], run: () => Promise<void>][] = [
    [['poststarthook/start-system-namespaces-controller'], () => ensure(bootstrapNamespaces())],
    [['poststarthook/rbac/bootstrap-roles'], () => ensure(bootstrapRbac(), reconcileRbac)],
    [
      [
        'poststarthook/scheduling/bootstrap-system-priority-classes',
        'poststarthook/priority-and-fairness-config-producer',
        'poststarthook/start-kubernetes-service-cidr-controller',
        'poststarthook/start-cluster-authentication-info-controller',
        'poststarthook/kube-apiserver-autoregistration',
        'autoregister-completion',
      ],
      () => ensure(bootstrapObjects(parameters)),
    ],
    [['poststarthook/bootstrap-controller'], options.joinEndpoints],
    [['poststarthook/start-kube-apiserver-identity-lease-controller'], options.acquireIdentity],
  ];
  const pending = new Set(hooks.flatMap(([names]) => names));

  const untilDone = async (names: string[], run: () => Promise<void>, signal: AbortSignal) => {
    while (!signal.aborted) {
      try {
        await run();
        for (const name of names) pending.delete(name);
        return;
      } catch (error) {
        log.warn({ hook: names[0], error: messageOf(error) }, 'a post-start hook failed; it is tried again');
        await sleep(clock, retryMs, signal);
      }
    }
  };
  return {
    async run(signal) {
      await Promise.all(hooks.map(([names, run]) => untilDone(names, run, signal)));
    },
    checks: new Map(
      [...pending].map((name) => [
        name,
        () => {
          if (pending.has(name)) throw new Error('not finished');
        },
      ]),
    ),
  };
}
