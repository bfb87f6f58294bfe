import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';

/** Stored as core/v1 events: the same facts by older names. */
export const event: KindModule = {
  definition: {
    toStorage: (object) => rename(object, names),
    fromStorage(object) {
      rename(object, reversed);
      // Always printed by the older version, by this one only when known.
      for (const field of ['reportingController', 'reportingInstance']) if (object[field] === '') delete object[field];
    },
  },
};

const names: [here: string, core: string][] = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
];
const reversed = names.map(([here, core]): [string, string] => [core, here]);

function rename(object: KubeObject, pairs: readonly [from: string, to: string][]): void {
  for (const [from, to] of pairs) {
    if (!(from in object)) continue;
    object[to] = object[from];
    delete object[from];
  }
}
