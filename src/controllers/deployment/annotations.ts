/** What a ReplicaSet's annotations tell of its Deployment: whose words, which revision, what size it is scaled for. */
import type { Deployment, ReplicaSet } from '../resources.ts';
import { bounds } from './rollout.ts';

export const annotationKeys = {
  revision: 'deployment.kubernetes.io/revision',
  history: 'deployment.kubernetes.io/revision-history',
  desired: 'deployment.kubernetes.io/desired-replicas',
  max: 'deployment.kubernetes.io/max-replicas',
} as const;

const notCopied = new Set<string>([
  ...Object.values(annotationKeys),
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
]);

/** Of the revisions that a ReplicaSet had before, the latest that fit. */
const historyCharsMax = 2000;

export function revisionOf(rs: ReplicaSet): number {
  return Number(rs.metadata.annotations?.[annotationKeys.revision] ?? 0) || 0;
}

/** The size the ReplicaSet was last scaled for; undefined: never. */
export function notedSize(rs: ReplicaSet): { desired: number; max: number } | undefined {
  const { [annotationKeys.desired]: desired, [annotationKeys.max]: max } = rs.metadata.annotations ?? {};
  return desired === undefined ? undefined : { desired: Number(desired), max: Number(max ?? 0) };
}

/** All that scaling an old ReplicaSet changes of them: its own words (the cause of the change) stay its own. */
export function withSize(deployment: Deployment, annotations: Record<string, string> = {}): Record<string, string> {
  const replicas = deployment.spec.replicas ?? 1;
  return {
    ...annotations,
    [annotationKeys.desired]: String(replicas),
    [annotationKeys.max]: String(replicas + bounds(deployment).maxSurge),
  };
}

/** Of the ReplicaSet of the current template: the Deployment's own, and its revision if that is higher. */
export function annotationsOfNew(
  deployment: Deployment,
  revision: number,
  before: Record<string, string> = {},
): Record<string, string> {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !notCopied.has(key));
  const annotations = { ...before, ...Object.fromEntries(copied) };
  const had = before[annotationKeys.revision];
  if (revision > (Number(had ?? 0) || 0)) {
    annotations[annotationKeys.revision] = String(revision);
    if (had) annotations[annotationKeys.history] = appendRevision(before[annotationKeys.history], had);
  }
  return withSize(deployment, annotations);
}

function appendRevision(history: string | undefined, revision: string): string {
  const revisions = [...(history ? history.split(',') : []), revision];
  while (revisions.length > 1 && revisions.join(',').length > historyCharsMax) revisions.shift();
  return revisions.join(',');
}
