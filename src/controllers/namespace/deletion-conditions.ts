/** How a namespace's deletion stands, in conditions. Pure; types, reasons and messages are upstream's. */
import type { Condition } from '../resources.ts';
import type { Remains } from './content.ts';

interface Verdict {
  type: string;
  isBad: boolean;
  good: { reason: string; message: string };
  bad: { reason: string; message: string };
}

export function conditionsOf(remains: Remains, before: readonly Condition[], now: string): Condition[] {
  const conditions = verdicts(remains).map(({ type, isBad, good, bad }): Condition => {
    const status = isBad ? 'True' : 'False';
    const old = before.find((c) => c.type === type);
    const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
    return { type, status, lastTransitionTime, ...(isBad ? bad : good) };
  });
  const types = new Set(conditions.map((c) => c.type));
  return [...before.filter((c) => !types.has(c.type)), ...conditions];
}

function verdicts({ resources, finalizers, errors, undiscovered }: Remains): Verdict[] {
  return [
    {
      type: 'NamespaceDeletionDiscoveryFailure',
      isBad: undiscovered.length > 0,
      good: { reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' },
      bad: {
        reason: 'DiscoveryFailed',
        message: `Discovery failed for some groups, ${undiscovered.length} failing: ${undiscovered.join(', ')}`,
      },
    },
    {
      type: 'NamespaceDeletionGroupVersionParsingFailure',
      isBad: false,
      good: { reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' },
      bad: { reason: 'GroupVersionParsingFailed', message: '' },
    },
    {
      type: 'NamespaceDeletionContentFailure',
      isBad: errors.length > 0,
      good: { reason: 'ContentDeleted', message: 'All content successfully deleted, may be waiting on finalization' },
      bad: {
        reason: 'ContentDeletionFailed',
        message: `Failed to delete all resource types, ${errors.length} remaining: ${[...errors].sort().join(', ')}`,
      },
    },
    {
      type: 'NamespaceContentRemaining',
      isBad: resources.size > 0,
      good: { reason: 'ContentRemoved', message: 'All content successfully removed' },
      bad: { reason: 'SomeResourcesRemain', message: `Some resources are remaining: ${counted(resources, 'has')}` },
    },
    {
      type: 'NamespaceFinalizersRemaining',
      isBad: finalizers.size > 0,
      good: { reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' },
      bad: {
        reason: 'SomeFinalizersRemain',
        message: `Some content in the namespace has finalizers remaining: ${counted(finalizers, 'in')}`,
      },
    },
  ];
}

/** `pods. has 2 resource instances, widgets.example.com has 1 resource instances`. */
function counted(counts: ReadonlyMap<string, number>, verb: string): string {
  return [...counts]
    .sort()
    .map(([name, count]) => `${name} ${verb} ${count} resource instances`)
    .join(', ');
}
