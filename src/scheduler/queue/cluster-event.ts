import facts from '#apis/facts/scheduler.json' with { type: 'json' };

/** Something happened that could let waiting pods fit: `Node/Add`, `Pod/Delete`; names as upstream's action types. */
export interface ClusterEvent {
  resource: 'Node' | 'Pod';
  action: string;
}

/** By plugin: the events after which a pod it refused is worth another try. */
const requeueEvents: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(facts.requeueEvents as unknown as Record<string, Record<string, string[]>>).map(
    ([plugin, resources]) => [
      plugin,
      new Set(Object.entries(resources).flatMap(([resource, actions]) => actions.map((a) => `${resource}/${a}`))),
    ],
  ),
);

/** A plugin that tells nothing of its events might be helped by any. */
export function mayHelp(event: ClusterEvent, plugins: ReadonlySet<string>): boolean {
  if (plugins.size === 0) return true;
  const name = `${event.resource}/${event.action}`;
  for (const plugin of plugins) if (requeueEvents.get(plugin)?.has(name) ?? true) return true;
  return false;
}
