import { each, ensure, type Fields, setDefault, setDefaultNumber } from '../../set-default.ts';

export function setContainerDefaults(container: Fields): void {
  for (const port of each(container.ports)) setDefault(port, 'protocol', 'TCP');
  for (const env of each(container.env)) {
    if (env.valueFrom?.fieldRef) setDefault(env.valueFrom.fieldRef, 'apiVersion', 'v1');
    if (env.valueFrom?.fileKeyRef) setDefault(env.valueFrom.fileKeyRef, 'optional', false);
  }
  setRequestsFromLimits(ensure(container, 'resources'));
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe])
    if (probe) setProbeDefaults(probe);
  setHandlerDefaults(container.lifecycle?.postStart);
  setHandlerDefaults(container.lifecycle?.preStop);
  setDefault(container, 'terminationMessagePath', '/dev/termination-log');
  setDefault(container, 'terminationMessagePolicy', 'File');
  setDefault(container, 'imagePullPolicy', isLatest(container.image ?? '') ? 'Always' : 'IfNotPresent');
}

/** Who limits a resource and asks for none of it, asks for as much as the limit. */
export function setRequestsFromLimits(resources: Fields): void {
  if (!resources.limits) return;
  const requests = ensure(resources, 'requests');
  for (const [name, quantity] of Object.entries(resources.limits)) requests[name] ??= quantity;
}

function setProbeDefaults(probe: Fields): void {
  setHandlerDefaults(probe);
  if (probe.grpc) probe.grpc.service ??= '';
  setDefaultNumber(probe, 'timeoutSeconds', 1);
  setDefaultNumber(probe, 'periodSeconds', 10);
  setDefaultNumber(probe, 'successThreshold', 1);
  setDefaultNumber(probe, 'failureThreshold', 3);
}

function setHandlerDefaults(handler: Fields): void {
  if (!handler?.httpGet) return;
  setDefault(handler.httpGet, 'path', '/');
  setDefault(handler.httpGet, 'scheme', 'HTTP');
}

/** No tag and no digest means `latest`. A colon before the last slash is a registry's port. */
function isLatest(image: string): boolean {
  const [name = '', digest] = image.split('@');
  const tag = name.slice(name.lastIndexOf('/') + 1).split(':')[1];
  return tag === undefined ? digest === undefined : tag === 'latest';
}
