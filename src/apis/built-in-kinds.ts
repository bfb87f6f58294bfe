/**
 * The built-in kinds that need more than facts: one line a folder. A new kind is a file in its group/version's folder
 * and a line in that folder's kinds.ts; a kind without a line here is still stored, served and listed.
 */
import { admissionregistrationV1 } from './admissionregistration/v1/kinds.ts';
import { apiextensionsV1 } from './apiextensions/v1/kinds.ts';
import { apiregistrationV1 } from './apiregistration/v1/kinds.ts';
import { appsV1 } from './apps/v1/kinds.ts';
import { autoscalingV1 } from './autoscaling/v1/kinds.ts';
import { autoscalingV2 } from './autoscaling/v2/kinds.ts';
import { batchV1 } from './batch/v1/kinds.ts';
import { certificatesV1 } from './certificates/v1/kinds.ts';
import { coordinationV1 } from './coordination/v1/kinds.ts';
import { coreV1 } from './core/v1/kinds.ts';
import { discoveryV1 } from './discovery/v1/kinds.ts';
import { eventsV1 } from './events/v1/kinds.ts';
import { flowcontrolV1 } from './flowcontrol/v1/kinds.ts';
import type { KindDefinition, Strategy } from './kind.ts';
import { networkingV1 } from './networking/v1/kinds.ts';
import { nodeV1 } from './node/v1/kinds.ts';
import { policyV1 } from './policy/v1/kinds.ts';
import { rbacV1 } from './rbac/v1/kinds.ts';
import { resourceV1 } from './resource/v1/kinds.ts';
import { schedulingV1 } from './scheduling/v1/kinds.ts';
import { storageV1 } from './storage/v1/kinds.ts';

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
  ['admissionregistration.k8s.io', 'v1', admissionregistrationV1],
  ['apiextensions.k8s.io', 'v1', apiextensionsV1],
  ['apiregistration.k8s.io', 'v1', apiregistrationV1],
  ['apps', 'v1', appsV1],
  ['autoscaling', 'v1', autoscalingV1],
  ['autoscaling', 'v2', autoscalingV2],
  ['batch', 'v1', batchV1],
  ['certificates.k8s.io', 'v1', certificatesV1],
  ['coordination.k8s.io', 'v1', coordinationV1],
  ['', 'v1', coreV1],
  ['discovery.k8s.io', 'v1', discoveryV1],
  ['events.k8s.io', 'v1', eventsV1],
  ['flowcontrol.apiserver.k8s.io', 'v1', flowcontrolV1],
  ['networking.k8s.io', 'v1', networkingV1],
  ['node.k8s.io', 'v1', nodeV1],
  ['policy', 'v1', policyV1],
  ['rbac.authorization.k8s.io', 'v1', rbacV1],
  ['resource.k8s.io', 'v1', resourceV1],
  ['scheduling.k8s.io', 'v1', schedulingV1],
  ['storage.k8s.io', 'v1', storageV1],
];

export const builtInKinds: readonly BuiltInKind[] = folders.flatMap(([group, version, kinds]) =>
  Object.entries(kinds).map(([resource, kind]) => ({ group, version, resource, ...kind })),
);
