/** Objects as they reach a strategy: decoded and defaulted, as a client's would be. */
import { parseGroupVersion } from '#apimachinery/group-version.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { decodeObject } from '#apimachinery/schema/decode.ts';
import type { Requester, Strategy } from '../kind.ts';
import { scheme } from '../scheme.ts';

/** `apiVersion`, `kind` and whatever the test is about; the name is `x` unless given. */
export function objectOf(apiVersion: string, kind: string, fields: Record<string, unknown> = {}): KubeObject {
  const gvk = { ...parseGroupVersion(apiVersion), kind };
  const metadata = { name: 'x', ...((fields['metadata'] as object | undefined) ?? {}) };
  const { object } = decodeObject(scheme.schemas, scheme.schemaName(gvk)!, { apiVersion, kind, ...fields, metadata });
  scheme.kind(gvk)?.setDefaults?.(object);
  return object;
}

export function strategyOf(object: KubeObject): Strategy {
  const { group, version } = parseGroupVersion(object.apiVersion);
  return scheme.strategy(group, scheme.byKind(group, version, object.kind)!.resource);
}

/** Who makes the objects of tests. */
export const jane: Requester = { name: 'jane', groups: ['system:authenticated'] };

/** After creation, with the status a client gave, as a component would have written it. */
export function created(object: KubeObject): KubeObject {
  const given = Object.entries(object['status'] ?? {}).filter(([, value]) => value !== null);
  object.metadata.uid = 'uid-1';
  object.metadata.creationTimestamp = '2026-01-01T00:00:00Z';
  strategyOf(object).prepareForCreate?.(object, jane);
  return { ...object, status: { ...object['status'], ...Object.fromEntries(given) } };
}

/** `field: message`, the form that stands in a Status. */
export function errorsOf(object: KubeObject): string[] {
  return (strategyOf(object).validate?.(object) ?? []).map((error) => `${error.field}: ${error.message}`);
}

export function updateErrorsOf(object: KubeObject, old: KubeObject): string[] {
  return (strategyOf(object).validateUpdate?.(object, old) ?? []).map((error) => `${error.field}: ${error.message}`);
}

/** An hour after `created`. */
export function rowOf(object: KubeObject): unknown[] {
  return strategyOf(object).tableRow!(object, Date.parse('2026-01-01T01:00:00Z'));
}
