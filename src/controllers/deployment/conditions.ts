import { type Condition, type Deployment, timestamp } from '../resources.ts';

export function conditionOf(deployment: Deployment, type: string): Condition | undefined {
  return deployment.status?.conditions?.find((c) => c.type === type);
}

/** The old condition when it says the same; the transition time moves only with the status. */
export function changed(
  before: Condition | undefined,
  { type, status, reason, message }: Required<Pick<Condition, 'type' | 'status' | 'reason' | 'message'>>,
  nowMs: number,
): Condition {
  if (before?.status === status && before.reason === reason) return before;
  const now = timestamp(nowMs);
  const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? now) : now;
  return { type, status, lastUpdateTime: now, lastTransitionTime, reason, message };
}
