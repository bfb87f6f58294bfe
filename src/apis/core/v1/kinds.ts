import type { KindFolder } from '../../built-in-kinds.ts';
import { configMap } from './config-map.ts';
import { event } from './event.ts';
import { namespace } from './namespace.ts';
import { node } from './node.ts';
import { pod } from './pod.ts';
import { secret } from './secret.ts';
import { service } from './service.ts';

export const coreV1: KindFolder = {
  configmaps: configMap,
  events: event,
  namespaces: namespace,
  nodes: node,
  pods: pod,
  secrets: secret,
  services: service,
};
