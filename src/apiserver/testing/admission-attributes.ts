import type { KubeObject } from '#apimachinery/object.ts';
import { createScheme } from '#apis/scheme.ts';
import type { AdmissionAttributes, AdmissionOperation } from '../admission/admission.ts';

const scheme = createScheme();

/** What a plugin is given for one write in the namespace `ns`; texts of warnings are collected. */
export function attributesFor(
  resource: string,
  operation: AdmissionOperation,
  object: KubeObject | undefined,
  more: Partial<AdmissionAttributes> = {},
): AdmissionAttributes & { warnings: string[] } {
  const [name, group = ''] = resource.split(/\.(.*)/) as [string, string?];
  const info = [...scheme.resources()].find((r) => r.resource === name && r.group === group)!;
  const warnings: string[] = [];
  return {
    operation,
    resource: info,
    subresource: '',
    namespace: info.namespaced ? 'ns' : '',
    name: (object ?? more.oldObject)?.metadata.name ?? '',
    object,
    oldObject: undefined,
    options: {},
    dryRun: false,
    user: { name: 'jane', groups: ['system:authenticated'] },
    addWarning: (text) => warnings.push(text),
    warnings,
    ...more,
  };
}

export function pod(spec: Record<string, unknown> = {}, metadata: object = {}): KubeObject {
  const containers = [{ name: 'c', image: 'i' }];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', ...metadata }, spec: { containers, ...spec } };
}
