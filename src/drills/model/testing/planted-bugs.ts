/**
 * Bugs that a store, an API server or a watch cache can have, each as what it would do to a correct history. A checker
 * that does not see one of them is broken.
 */
import type { PlantedBug } from './draft.ts';
import { plantedInReads } from './planted-in-reads.ts';
import { plantedInWatches } from './planted-in-watches.ts';
import { plantedInWrites } from './planted-in-writes.ts';

export const plantedBugs: readonly PlantedBug[] = [...plantedInWrites, ...plantedInReads, ...plantedInWatches];
