import type { Diagnosis } from './plugin.ts';

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`: upstream's words, which people grep. */
export function fitErrorMessage(nodeCount: number, diagnosis: Diagnosis): string {
  if (nodeCount === 0) return 'no nodes available to schedule pods';
  let message = `0/${nodeCount} nodes are available:`;
  if (diagnosis.preFilterMessage !== '') message += ` ${diagnosis.preFilterMessage}.`;
  else message += ` ${countedReasons(diagnosis).join(', ')}.`;
  return diagnosis.postFilterMessage === '' ? message : `${message} ${diagnosis.postFilterMessage}`;
}

/** A node counts once for each of its reasons; sorted as text. */
function countedReasons({ nodeStatuses }: Diagnosis): string[] {
  const counts = new Map<string, number>();
  for (const status of nodeStatuses.values()) {
    for (const reason of status.reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
}
