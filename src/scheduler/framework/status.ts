/** What an extension point says of a pod or of a node; `undefined` is success. */
export interface Status {
  code: Code;
  /** For people: `Insufficient cpu`. */
  reasons: readonly string[];
  /** Filled in by the framework. */
  plugin?: string;
}

export type Code = (typeof Code)[keyof typeof Code];
export const Code = {
  /** Something broke; the pod is tried again after a back-off. */
  error: 'Error',
  /** Not now: removing pods could help. */
  unschedulable: 'Unschedulable',
  /** Not on this node, whatever pods are removed from it. */
  unschedulableAndUnresolvable: 'UnschedulableAndUnresolvable',
  /** Permit: not yet. */
  wait: 'Wait',
  /** The plugin has nothing to say about this pod: its later points are passed over. */
  skip: 'Skip',
} as const;

export function isRejected(status: Status): boolean {
  return status.code === Code.unschedulable || status.code === Code.unschedulableAndUnresolvable;
}
