/** Ends a control plane from outside: its `up`, or, when that was killed, what it left running. */
import type { Clock } from '#base/clock.ts';
import { isRunning } from '#os/process-identity.ts';
import { type DataDir, readRunRecord, readState, removeRunRecord } from './data-dir.ts';
import { end, endLeftovers, isEmpty, leftoversIn } from './leftovers.ts';

/** False when nothing ran. */
export async function down(dir: DataDir, clock: Clock, timeoutMs: number): Promise<boolean> {
  readState(dir);
  const record = readRunRecord(dir);
  const wasRunning = (record !== undefined && isRunning(record.supervisor)) || !isEmpty(leftoversIn(dir));
  if (record) await end(record.supervisor, clock, timeoutMs);
  // A supervisor that ended by itself has stopped them all; a killed one has not.
  await endLeftovers(dir, clock, timeoutMs);
  removeRunRecord(dir);
  return wasRunning;
}
