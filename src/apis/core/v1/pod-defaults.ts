/** Defaults of a PodSpec, shared by pods and by everything that has a pod template. */
import { each, ensure, type Fields, setDefault, setDefaultNumber } from '../../set-default.ts';
import { setContainerDefaults } from './container-defaults.ts';
import { setVolumeDefaults } from './volume-defaults.ts';

export function setPodDefaults(pod: Fields): void {
  const spec = ensure(pod, 'spec');
  setPodSpecDefaults(spec);
  setDefault(spec, 'enableServiceLinks', true);
  if (spec.hostNetwork) for (const container of allContainers(spec)) exposeHostPorts(container);
}

/** The pod in a workload's `spec.template`. */
export function setPodTemplateDefaults(template: Fields): void {
  ensure(template, 'metadata');
  setPodSpecDefaults(ensure(template, 'spec'));
}

export function allContainers(spec: Fields): Fields[] {
  return [...each(spec?.initContainers), ...each(spec?.containers)];
}

function setPodSpecDefaults(spec: Fields): void {
  for (const volume of each(spec.volumes)) setVolumeDefaults(volume);
  for (const container of allContainers(spec)) setContainerDefaults(container);
  for (const container of each(spec.ephemeralContainers)) setContainerDefaults(container);
  setDefault(spec, 'restartPolicy', 'Always');
  setDefault(spec, 'terminationGracePeriodSeconds', 30);
  setDefault(spec, 'dnsPolicy', 'ClusterFirst');
  setDefault(spec, 'schedulerName', 'default-scheduler');
  ensure(spec, 'securityContext');
  mirrorServiceAccount(spec);
}

/** `serviceAccount` is the old name of `serviceAccountName`; both are always there, the new one decides. */
function mirrorServiceAccount(spec: Fields): void {
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else if (spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount;
}

/** On the host's network a container port is the host's port. */
function exposeHostPorts(container: Fields): void {
  for (const port of each(container.ports)) setDefaultNumber(port, 'hostPort', port.containerPort ?? 0);
}
