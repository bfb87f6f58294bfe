/**
 * Whether the answer to a progress request can be believed. Before these releases etcd let it overtake events that
 * were still under way (etcd issue 15220), so that a cache would think itself fresher than it is. The same floor as
 * upstream's for consistent reads from its cache.
 */
const floors = new Map([
  ['3.4', 31],
  ['3.5', 13],
]);

export function hasReliableProgress(version: string): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (!match) return false;
  const major = Number(match[1]);
  const minor = Number(match[2]);
  const floor = floors.get(`${major}.${minor}`);
  if (floor !== undefined) return Number(match[3]) >= floor;
  return major > 3 || (major === 3 && minor > 5);
}
