import type { KindFolder } from '../../built-in-kinds.ts';
import { deployment } from './deployment.ts';
import { replicaSet } from './replica-set.ts';

export const appsV1: KindFolder = {
  deployments: deployment,
  replicasets: replicaSet,
};
