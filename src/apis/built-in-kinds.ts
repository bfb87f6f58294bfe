/**
 * The built-in kinds that need more than facts: one line a folder. A new kind is a file in its group/version's folder
 * and a line in that folder's kinds.ts; a kind without a line here is still stored, served and listed.
 */
import { appsV1 } from './apps/v1/kinds.ts';
import { batchV1 } from './batch/v1/kinds.ts';
import { coreV1 } from './core/v1/kinds.ts';
import type { KindDefinition, Strategy } from './kind.ts';

export interface BuiltInKind extends KindModule {
  group: string;
  version: string;
  resource: string;
}

/** What a kind's file exports. A strategy belongs to the resource: only one version's file has it. */
export interface KindModule {
  definition?: KindDefinition;
  strategy?: Strategy;
}

/** Resource name → kind. */
export type KindFolder = Record<string, KindModule>;

const folders: [group: string, version: string, kinds: KindFolder][] = [
  ['', 'v1', coreV1],
  ['apps', 'v1', appsV1],
  ['batch', 'v1', batchV1],
];

export const builtInKinds: readonly BuiltInKind[] = folders.flatMap(([group, version, kinds]) =>
  Object.entries(kinds).map(([resource, kind]) => ({ group, version, resource, ...kind })),
);
