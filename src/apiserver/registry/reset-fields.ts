/**
 * What a write at a resource or subresource leaves as it was, so that nobody comes to own it there: the status through the
 * main resource, the spec through the status. Upstream's GetResetFields.
 */
import { type FieldSet, pathSet, union } from '#apimachinery/managed-fields/field-set.ts';
import type { Scheme } from '#apis/scheme.ts';

const spec = pathSet('f:spec');
const status = pathSet('f:status');
const metadata = pathSet('f:metadata');

/** Beyond spec and status. By group, resource and subresource. */
const others = new Map<string, FieldSet>([
  ['apps/deployments/status', pathSet('f:metadata', 'f:labels')],
  ['/pods/status', pathSet('f:metadata', 'f:ownerReferences')],
  ['certificates.k8s.io/certificatesigningrequests/', spec],
  ['certificates.k8s.io/certificatesigningrequests/status', pathSet('f:status', 'f:conditions')],
  ['certificates.k8s.io/certificatesigningrequests/approval', pathSet('f:status', 'f:certificate')],
  ['apiextensions.k8s.io/customresourcedefinitions/status', metadata],
  ['storage.k8s.io/volumeattachments/status', metadata],
]);

/** Undefined: nothing. */
export function resetFieldsOf(
  scheme: Scheme,
  { group, resource }: { group: string; resource: string },
  subresource: string,
): FieldSet | undefined {
  const isStatus = subresource === 'status' || subresource === 'approval';
  const usual = isStatus ? spec : scheme.strategy(group, resource).hasStatus ? status : undefined;
  const more = others.get(`${group}/${resource}/${subresource}`);
  return more === undefined ? usual : union(usual, more);
}
