import { createHash } from 'node:crypto';
import { parseAllDocuments } from 'yaml';
import { OperatorError } from '#base/errors.ts';
import { checkEnvironment } from '../environment.ts';
import { annotations, type Container, type Pod, type Probe } from '../pod.ts';

/**
 * Reads one manifest file into the static pod that runs on this node: name, namespace, annotations and toleration
 * are completed as upstream's file source does, and the uid is a hash of the node, the file's path and the pod, so that
 * the same manifest gives the same pod after a restart and an edited one gives another. Throws OperatorError with
 * the reason; the caller knows the file.
 */
export function parseManifest(text: string, file: string, nodeName: string): Pod {
  const pod = parsePod(text);
  checkPod(pod);
  const uid = createHash('sha256')
    .update(JSON.stringify([nodeName, file, pod]))
    .digest('hex')
    .slice(0, 32);
  pod.metadata.uid = uid;
  pod.metadata.name = `${pod.metadata.name}-${nodeName.toLowerCase()}`;
  pod.metadata.namespace ??= 'default';
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [annotations.configHash]: uid,
    [annotations.configSource]: 'file',
  };
  pod.spec.nodeName = nodeName;
  // A static pod belongs to its node: no taint may evict what the API server did not place.
  pod.spec.tolerations = [...(pod.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }];
  return pod;
}

/** Which files of the directory are manifests: an editor's backup or a hidden file is none. */
export function isManifestName(name: string): boolean {
  return /^[^.].*\.(ya?ml|json)$/i.test(name);
}

function parsePod(text: string): Pod {
  const documents = parseAllDocuments(text).filter((d) => d.contents !== null || d.errors.length > 0);
  if (documents.length === 0) throw new OperatorError('it is empty');
  if (documents.length > 1) throw new OperatorError('it holds several documents: give each pod its own file');
  const [error] = documents[0]!.errors;
  if (error) throw new OperatorError(error.message.split('\n')[0]!.replace(/:$/, ''));
  return documents[0]!.toJS({ maxAliasCount: 100 }) as Pod;
}

function checkPod(pod: Pod): void {
  const fail = (why: string): never => {
    throw new OperatorError(why);
  };
  if (!isObject(pod)) fail('it is not an object');
  if (pod.apiVersion !== 'v1' || pod.kind !== 'Pod') fail(`it is ${pod.apiVersion} ${pod.kind}, not a v1 Pod`);
  if (!isObject(pod.metadata) || !isDnsName(pod.metadata.name, 253)) fail('metadata.name is missing or no DNS name');
  if (pod.metadata.namespace !== undefined && !isDnsName(pod.metadata.namespace, 63))
    fail('metadata.namespace is no DNS label');
  for (const field of ['labels', 'annotations'] as const) checkStrings(pod.metadata[field], `metadata.${field}`, fail);
  if (!isObject(pod.spec)) fail('spec is missing');
  const {
    restartPolicy,
    terminationGracePeriodSeconds: grace,
    containers,
    initContainers = [],
    tolerations,
  } = pod.spec;
  if (restartPolicy !== undefined && !['Always', 'OnFailure', 'Never'].includes(restartPolicy))
    fail(`spec.restartPolicy ${JSON.stringify(restartPolicy)} is none of Always, OnFailure, Never`);
  if (grace !== undefined && !isCount(grace)) fail('spec.terminationGracePeriodSeconds is no whole number of seconds');
  if (tolerations !== undefined && !Array.isArray(tolerations)) fail('spec.tolerations is no list');
  if (!Array.isArray(containers) || containers.length === 0) fail('spec.containers is empty');
  if (!Array.isArray(initContainers)) fail('spec.initContainers is no list');
  const names = new Set<string>();
  for (const [field, list] of [
    ['containers', containers],
    ['initContainers', initContainers],
  ] as const) {
    for (const [i, container] of list.entries()) {
      checkContainer(container, `spec.${field}[${i}]`, fail);
      if (container.restartPolicy !== undefined) fail(`spec.${field}[${i}].restartPolicy (a sidecar) is not supported`);
      if (names.has(container.name)) fail(`two containers are named ${container.name}`);
      names.add(container.name);
      checkEnvironment(container, `spec.${field}[${i}]`);
    }
  }
}

type Fail = (why: string) => never;

function checkContainer(container: Container, at: string, fail: Fail): void {
  if (!isObject(container)) fail(`${at} is not an object`);
  if (!isDnsName(container.name, 63)) fail(`${at}.name is missing or no DNS label`);
  for (const field of ['command', 'args'] as const) {
    const words = container[field];
    if (words !== undefined && !isStrings(words)) fail(`${at}.${field} is no list of strings`);
  }
  if (container.workingDir !== undefined && typeof container.workingDir !== 'string')
    fail(`${at}.workingDir is no string`);
  if (container.ports !== undefined && !(Array.isArray(container.ports) && container.ports.every(isObject)))
    fail(`${at}.ports is no list of ports`);
  for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[kind];
    if (probe !== undefined) checkProbe(probe, container, `${at}.${kind}`, fail);
  }
}

function checkProbe(probe: Probe, container: Container, at: string, fail: Fail): void {
  if (!isObject(probe)) fail(`${at} is not an object`);
  const handlers = (['httpGet', 'tcpSocket', 'exec'] as const).filter((h) => probe[h] !== undefined);
  if (handlers.length !== 1) fail(`${at} needs exactly one of httpGet, tcpSocket, exec`);
  const numbers = [
    'initialDelaySeconds',
    'periodSeconds',
    'timeoutSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const;
  for (const field of numbers) {
    const value = probe[field];
    if (value !== undefined && !isCount(value)) fail(`${at}.${field} is no whole number`);
  }
  if (handlers[0] === 'exec') {
    if (!isObject(probe.exec) || !isStrings(probe.exec!.command) || probe.exec!.command.length === 0)
      fail(`${at}.exec.command is no list of strings`);
    return;
  }
  const target = probe.httpGet ?? probe.tcpSocket;
  if (!isObject(target)) fail(`${at}.${handlers[0]} is not an object`);
  const { port } = target!;
  const number = typeof port === 'string' ? container.ports?.find((p) => p.name === port)?.containerPort : port;
  if (!isCount(number) || (number as number) < 1 || (number as number) > 65535)
    fail(`${at}.${handlers[0]}.port ${JSON.stringify(port)} is no port number or name of a container port`);
  const scheme = probe.httpGet?.scheme;
  if (scheme !== undefined && scheme !== 'HTTP' && scheme !== 'HTTPS')
    fail(`${at}.httpGet.scheme is not HTTP or HTTPS`);
}

function checkStrings(map: unknown, at: string, fail: Fail): void {
  if (map === undefined || map === null) return;
  if (!isObject(map) || !Object.values(map as object).every((v) => typeof v === 'string'))
    fail(`${at} must map strings to strings: quote numbers and booleans`);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((v) => typeof v === 'string');
}
function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}
function isDnsName(value: unknown, max: number): boolean {
  const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
  return (
    typeof value === 'string' &&
    value.length <= max &&
    new RegExp(max === 63 ? `^${label}$` : `^${label}(\\.${label})*$`).test(value)
  );
}
