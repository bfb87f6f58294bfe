import { fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import { formatTime } from '#apimachinery/time.ts';
import { negotiate } from '../content/accept.ts';
import { decodeBody } from '../content/body.ts';
import { valueResponse } from '../content/encode.ts';
import { namespaceMismatch } from './create.ts';
import { type Endpoint, writeContext } from './endpoint.ts';

/** A scheduler's decision: POST to pods/binding or to bindings. A pod is bound once. */
export const binding: Endpoint = async (context, request, served) => {
  const representation = negotiate(request, 'value');
  const { namespace, subresource } = request.info;
  const object = await decodeBody(request, served.scheme, { group: '', version: 'v1', kind: 'Binding' });
  const name = subresource === '' ? (object.metadata.name ?? '') : request.info.name;
  if (object.metadata.namespace && object.metadata.namespace !== namespace) throw namespaceMismatch();
  if (object.metadata.name !== name) throw apiErrors.badRequest('name in URL does not match name in Binding object');
  const target = checkedTarget(object);
  const pods = context.registry.resource('', 'pods')!;
  await pods.update(writeContext(request), namespace, name, 'binding', (pod) => {
    if (!pod) throw apiErrors.notFound(pods.info, name);
    return bind(pod, object, target, context.clock.now());
  });
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  return valueResponse(request, status, representation, 201);
};

function checkedTarget(object: KubeObject): string {
  const target = object['target'] ?? {};
  const kind = target.kind ?? '';
  if (kind !== '' && kind !== 'Node') {
    const error = fieldError.notSupported('target.kind', kind, ['Node', '<empty>']);
    throw new StatusError({ code: 500, message: `${error.field}: ${error.message}` });
  }
  if (!target.name) {
    const error = fieldError.required('target.name');
    throw new StatusError({ code: 500, message: `${error.field}: ${error.message}` });
  }
  return target.name;
}

function bind(pod: KubeObject, object: KubeObject, node: string, nowMs: number): KubeObject {
  const name = pod.metadata.name!;
  const refuse = (why: string) => apiErrors.conflict({ group: '', resource: 'pods/binding' }, name, why);
  if (object.metadata.uid && object.metadata.uid !== pod.metadata.uid) {
    throw refuse(
      `Precondition failed: UID in precondition: ${object.metadata.uid}, UID in object meta: ${pod.metadata.uid}`,
    );
  }
  if (pod.metadata.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod['spec'].nodeName)
    throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod['spec'].nodeName)}`);
  if (pod['spec'].schedulingGates?.length > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  pod['spec'].nodeName = node;
  const { annotations, labels } = object.metadata;
  if (annotations) pod.metadata.annotations = { ...pod.metadata.annotations, ...annotations };
  if (labels) pod.metadata.labels = { ...pod.metadata.labels, ...labels };
  pod['status'] ??= {};
  setScheduled(pod['status'], nowMs);
  return pod;
}

function setScheduled(status: KubeObject[string], nowMs: number): void {
  status.conditions ??= [];
  const conditions = status.conditions;
  const scheduled = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: formatTime(nowMs),
  };
  const at = conditions.findIndex((condition: { type: string }) => condition.type === 'PodScheduled');
  if (at < 0) conditions.push(scheduled);
  else if (conditions[at].status !== 'True') conditions[at] = scheduled;
}
