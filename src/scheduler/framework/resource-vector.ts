import { quantityMilliValue, quantityValue } from '#apimachinery/quantity.ts';
import type { Container, Pod, ResourceList } from '../api-objects.ts';

/**
 * Amounts as plain numbers, so that filtering a node is a few comparisons. CPU in thousandths of a core, the rest in
 * bytes or pieces. What few pods ask for (GPUs, huge pages) stands in `scalar`.
 */
export interface ResourceVector {
  milliCpu: number;
  memory: number;
  ephemeralStorage: number;
  scalar: Map<string, number> | undefined;
}

export function emptyVector(): ResourceVector {
  return { milliCpu: 0, memory: 0, ephemeralStorage: 0, scalar: undefined };
}

export function vectorOf(list: ResourceList | undefined): ResourceVector {
  const vector = emptyVector();
  for (const name in list) {
    const quantity = list[name]!;
    if (name === 'cpu') vector.milliCpu = quantityMilliValue(quantity);
    else if (name === 'memory') vector.memory = quantityValue(quantity);
    else if (name === 'ephemeral-storage') vector.ephemeralStorage = quantityValue(quantity);
    else if (name !== 'pods') {
      vector.scalar ??= new Map();
      vector.scalar.set(name, quantityValue(quantity));
    }
  }
  return vector;
}

/** `target += sign · other` */
export function addVector(target: ResourceVector, other: ResourceVector, sign: 1 | -1 = 1): void {
  target.milliCpu += sign * other.milliCpu;
  target.memory += sign * other.memory;
  target.ephemeralStorage += sign * other.ephemeralStorage;
  if (!other.scalar) return;
  target.scalar ??= new Map();
  for (const [name, amount] of other.scalar) {
    target.scalar.set(name, (target.scalar.get(name) ?? 0) + sign * amount);
  }
}

/**
 * What a pod needs at its hungriest moment. Containers and sidecars (init containers that go on running) run together;
 * each other init container runs alone beside the sidecars that were started before it. Requests of the whole pod
 * replace the containers' sum, resource by resource.
 */
export function podRequests(pod: Pod, requestsOf = containerRequests): ResourceVector {
  const total = emptyVector();
  for (const container of pod.spec.containers ?? []) addVector(total, requestsOf(container));
  const sidecars = emptyVector();
  const initPeak = emptyVector();
  for (const container of pod.spec.initContainers ?? []) {
    const requests = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      addVector(total, requests);
      addVector(sidecars, requests);
      raise(initPeak, sidecars);
    } else {
      addVector(requests, sidecars);
      raise(initPeak, requests);
    }
  }
  raise(total, initPeak);
  const ofPod = pod.spec.resources?.requests;
  if (ofPod) {
    const whole = vectorOf(ofPod);
    if ('cpu' in ofPod) total.milliCpu = whole.milliCpu;
    if ('memory' in ofPod) total.memory = whole.memory;
    if (whole.scalar) total.scalar = new Map([...(total.scalar ?? []), ...whole.scalar]);
  }
  if (pod.spec.overhead) addVector(total, vectorOf(pod.spec.overhead));
  return total;
}

function containerRequests(container: Container): ResourceVector {
  return vectorOf(container.resources?.requests);
}

/** `target = max(target, other)`, resource by resource. */
function raise(target: ResourceVector, other: ResourceVector): void {
  target.milliCpu = Math.max(target.milliCpu, other.milliCpu);
  target.memory = Math.max(target.memory, other.memory);
  target.ephemeralStorage = Math.max(target.ephemeralStorage, other.ephemeralStorage);
  for (const [name, amount] of other.scalar ?? []) {
    target.scalar ??= new Map();
    target.scalar.set(name, Math.max(target.scalar.get(name) ?? 0, amount));
  }
}
