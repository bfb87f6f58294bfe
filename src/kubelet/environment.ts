import { messageOf, OperatorError } from '#base/errors.ts';
import type { Container, Pod } from './pod.ts';

export interface Invocation {
  command: string[];
  env: Record<string, string>;
}

/** What a program may expect of any host; nothing else of the kubelet's environment is passed on. */
const inheritedVariables = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TMPDIR', 'TZ'];

/**
 * The command line and environment of a container, with `$(NAME)` expanded as Kubernetes does it: `$$(NAME)` stands for
 * itself, an unknown name stays as written, a variable may refer to those defined before it.
 */
export function invocationOf(pod: Pod, container: Container, nodeIP: string): Invocation {
  const env: Record<string, string> = {};
  for (const variable of container.env ?? []) {
    const path = variable.valueFrom?.fieldRef?.fieldPath;
    env[variable.name] = path === undefined ? expand(variable.value ?? '', env) : fieldValue(path, pod, nodeIP);
  }
  const command = [...(container.command ?? []), ...(container.args ?? [])].map((word) => expand(word, env));
  const inherited: Record<string, string> = { HOSTNAME: pod.metadata.name ?? '' };
  for (const name of inheritedVariables) {
    if (process.env[name] !== undefined) inherited[name] = process.env[name];
  }
  return { command, env: { ...inherited, ...env } };
}

/** Refuses variables that only an API server could fill in: static pods must start without one. */
export function checkEnvironment(container: Container, at: string): void {
  if ((container as { envFrom?: unknown }).envFrom !== undefined)
    throw new OperatorError(`${at}.envFrom is not available to static pods: list the variables under env`);
  const variables: unknown = container.env ?? [];
  if (!Array.isArray(variables)) throw new OperatorError(`${at}.env is no list`);
  for (const variable of container.env ?? []) {
    if (typeof variable?.name !== 'string' || variable.name === '')
      throw new OperatorError(`${at}.env holds a variable without a name`);
    const { value, valueFrom } = variable;
    if (value !== undefined && typeof value !== 'string')
      throw new OperatorError(`${at}.env ${variable.name} is no string: quote numbers and booleans`);
    if (valueFrom === undefined) continue;
    const path = valueFrom?.fieldRef?.fieldPath;
    if (path === undefined) {
      const source = Object.keys(valueFrom ?? {})[0] ?? 'nothing';
      throw new OperatorError(`${at}.env ${variable.name}: ${source} is not available to static pods`);
    }
    try {
      fieldValue(path, { apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: { containers: [] } }, '');
    } catch (error) {
      throw new OperatorError(`${at}.env ${variable.name}: ${messageOf(error)}`);
    }
  }
}

function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\$|\(([^()]*)\))/g, (all, escaped: string, name: string | undefined) => {
    if (escaped === '$') return '$';
    return Object.hasOwn(env, name!) ? env[name!]! : all;
  });
}

function fieldValue(path: string, pod: Pod, nodeIP: string): string {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed) return pod.metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2]!] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name ?? '';
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'spec.nodeName':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.podIP':
    case 'status.podIPs':
    case 'status.hostIP':
    case 'status.hostIPs':
      // Static pods are processes of this host: they share its address.
      return nodeIP;
    default:
      throw new OperatorError(`field path ${JSON.stringify(path)} is not supported`);
  }
}
