import type { KindFolder } from '../../built-in-kinds.ts';
import { controllerRevision } from './controller-revision.ts';
import { daemonSet } from './daemon-set.ts';
import { deployment } from './deployment.ts';
import { replicaSet } from './replica-set.ts';
import { statefulSet } from './stateful-set.ts';

export const appsV1: KindFolder = {
  controllerrevisions: controllerRevision,
  daemonsets: daemonSet,
  deployments: deployment,
  replicasets: replicaSet,
  statefulsets: statefulSet,
};
