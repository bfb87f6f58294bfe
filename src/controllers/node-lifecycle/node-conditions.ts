/** What a node's conditions become when it is not heard any more. Pure. */
import type { Condition, Node } from '../resources.ts';

/** Those that the kubelet writes. Others (NetworkUnavailable, those of add-ons) are their writers' own affair. */
const kubeletConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export function readyOf(node: Node): Condition | undefined {
  return node.status?.conditions?.find((c) => c.type === 'Ready');
}

export function unknownConditions(node: Node, now: string): Condition[] {
  const before = node.status?.conditions ?? [];
  const known = before.map((condition): Condition => {
    if (!kubeletConditions.includes(condition.type) || condition.status === 'Unknown') return condition;
    return {
      ...condition,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: now,
    };
  });
  const missing = kubeletConditions.filter((type) => !before.some((c) => c.type === type));
  const never = missing.map((type): Condition => {
    return {
      type,
      status: 'Unknown',
      lastHeartbeatTime: node.metadata.creationTimestamp ?? now,
      lastTransitionTime: now,
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
    };
  });
  return [...known, ...never];
}
