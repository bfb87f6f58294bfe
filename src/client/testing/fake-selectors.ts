import type { KubeObject } from '#apimachinery/object.ts';
import { matchesFields, parseFieldSelector } from '#apimachinery/selector/fields.ts';
import { matchesLabels, parseLabelSelector } from '#apimachinery/selector/labels.ts';

/** Every field that is a path into the object can be selected, whether or not the server would allow it. */
export function matchesSelectors(
  object: KubeObject,
  { labelSelector = '', fieldSelector = '' }: { labelSelector?: string; fieldSelector?: string },
): boolean {
  const fields = parseFieldSelector(fieldSelector);
  const values = Object.fromEntries(fields.map(({ field }) => [field, textAt(object, field)]));
  return matchesLabels(parseLabelSelector(labelSelector), object.metadata.labels) && matchesFields(fields, values);
}

function textAt(object: KubeObject, path: string): string {
  let at: any = object;
  for (const step of path.split('.')) at = at?.[step];
  return String(at ?? '');
}
