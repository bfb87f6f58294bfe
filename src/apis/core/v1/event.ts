import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { parseTime } from '#apimachinery/time.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import type { Fields } from '../../set-default.ts';
import { ageSince, unknown } from '../../table-cells.ts';
import { immutable } from '../../validation/immutable.ts';

export const event: KindModule = {
  strategy: {
    allowCreateOnUpdate: true,
    ttlSeconds: () => 3600,
    validate,
    validateUpdate,
    selectableFields,
    tableRow,
  },
};

function selectableFields(object: KubeObject): Record<string, string> {
  const involved = object.involvedObject ?? {};
  return {
    'involvedObject.kind': involved.kind ?? '',
    'involvedObject.namespace': involved.namespace ?? '',
    'involvedObject.name': involved.name ?? '',
    'involvedObject.uid': involved.uid ?? '',
    'involvedObject.apiVersion': involved.apiVersion ?? '',
    'involvedObject.resourceVersion': involved.resourceVersion ?? '',
    'involvedObject.fieldPath': involved.fieldPath ?? '',
    reason: object.reason ?? '',
    reportingComponent: object.reportingComponent ?? '',
    source: object.source?.component || object.reportingComponent || '',
    type: object.type ?? '',
  };
}

const textMax = 128;
const messageMax = 1024;

/** Events with an eventTime are of the new style (events.k8s.io), which demands more. */
function validate(object: KubeObject): FieldError[] {
  const errors = validateNamespace(object);
  if (!object.eventTime) return errors;
  const required = ['reportingComponent', 'reportingInstance', 'action', 'reason'];
  const names: Record<string, string> = { reportingComponent: 'reportingController' };
  for (const field of required) {
    const text: string = object[field] ?? '';
    if (text === '') errors.push(fieldError.required(names[field] ?? field));
    else if (text.length > textMax)
      errors.push(saysWhat(names[field] ?? field, `can have at most ${textMax} characters`));
  }
  if ((object.message ?? '').length > messageMax)
    errors.push(saysWhat('message', `can have at most ${messageMax} characters`));
  if (object.type !== 'Normal' && object.type !== 'Warning')
    errors.push(saysWhat('type', `has invalid value: ${object.type ?? ''}`));
  if (object.series) {
    if ((object.series.count ?? 0) < 2) errors.push(saysWhat('series.count', 'should be at least 2'));
    if (!object.series.lastObservedTime) errors.push(fieldError.required('series.lastObservedTime'));
  }
  return errors;
}

/** Upstream leaves the value out of these texts. */
function saysWhat(field: string, text: string): FieldError {
  return fieldError.invalid(field, '', text);
}

function validateNamespace(object: KubeObject): FieldError[] {
  const { namespace = '' } = object.metadata;
  const involved: string = object.involvedObject?.namespace ?? '';
  const field = 'involvedObject.namespace';
  const clusterScoped = involved === '';
  if (
    clusterScoped ? namespace === 'default' || namespace === 'kube-system' || namespace === '' : involved === namespace
  )
    return [];
  return [fieldError.invalid(field, involved, 'does not match event.namespace')];
}

/** In upstream's order, which names the reason twice. */
const fixed = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'reason',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
];

function validateUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  const errors = validate(object);
  if (!object.eventTime) return errors;
  return [...errors, ...fixed.flatMap((field) => immutable(field, object[field], old[field]))];
}

function tableRow(object: KubeObject, now: number): unknown[] {
  const { series, eventTime } = object;
  const first = ageFrom(object.firstTimestamp ?? eventTime, now);
  let last = ageFrom(object.lastTimestamp, now);
  if (last === unknown) last = first;
  if (series) last = ageFrom(series.lastObservedTime, now);
  const target = object.involvedObject?.name
    ? `${String(object.involvedObject.kind ?? '').toLowerCase()}/${object.involvedObject.name}`
    : String(object.involvedObject?.kind ?? '').toLowerCase();
  return [
    last,
    object.type ?? '',
    object.reason ?? '',
    target,
    object.involvedObject?.fieldPath ?? '',
    sourceCell(object),
    (object.message ?? '').trim(),
    first,
    series?.count ?? (object.count || 1),
    object.metadata.name ?? '',
  ];
}

function ageFrom(time: string | undefined | null, now: number): string {
  return parseTime(time) === undefined ? unknown : ageSince(time, now);
}

function sourceCell({ source, reportingComponent, reportingInstance }: Fields): string {
  const component = source?.component || reportingComponent || '';
  const host = source?.host || reportingInstance || '';
  return host ? `${component}, ${host}` : component;
}
