/** The query of list, watch and deletecollection: upstream's ListOptions, its rules and its words. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import {
  exactFieldValue,
  type FieldSelector,
  matchesFields,
  parseFieldSelector,
} from '#apimachinery/selector/fields.ts';
import {
  type LabelSelector,
  matchesLabels,
  parseLabelSelector,
  SelectorSyntaxError,
} from '#apimachinery/selector/labels.ts';
import { apiErrors, StatusError } from '#apimachinery/status-error.ts';
import type { EntryFilter, ResourceVersionMatch } from '#storage/storage.ts';
import type { ApiRequest } from '../request.ts';
import { namespaceOf } from './endpoint.ts';
import type { ServedResource } from './served-resource.ts';

export interface ListQuery {
  /** Keys to look at: a resource, a namespace of it, or one object. */
  prefix: string;
  filter: EntryFilter | undefined;
  resourceVersion: string;
  match: ResourceVersionMatch | undefined;
  limit: number;
  continueToken: string;
  timeoutSeconds: number | undefined;
  sendInitialEvents: boolean | undefined;
  allowBookmarks: boolean;
}

export function parseListQuery(request: ApiRequest, served: ServedResource): ListQuery {
  const registry = served.registry!;
  const namespace = namespaceOf(request, served);
  const prefix = namespace === '' ? registry.codec.prefix : registry.key(namespace, '');
  if (request.url.search === '' && request.info.name === '') return { ...everything, prefix };
  const query = request.url.searchParams;
  const limit = parseInteger(query.get('limit')) ?? 0;
  const timeoutSeconds = parseInteger(query.get('timeoutSeconds'));
  const sendInitialEvents = parseFlag(query.get('sendInitialEvents'));
  const list: ListQuery = {
    prefix,
    filter: undefined,
    resourceVersion: query.get('resourceVersion') ?? '',
    match: (query.get('resourceVersionMatch') || undefined) as ResourceVersionMatch | undefined,
    limit: Math.max(0, limit),
    continueToken: query.get('continue') ?? '',
    timeoutSeconds: timeoutSeconds === undefined || timeoutSeconds <= 0 ? undefined : timeoutSeconds,
    sendInitialEvents,
    allowBookmarks: parseFlag(query.get('allowWatchBookmarks')) ?? false,
  };
  const labels = selector(() => parseLabelSelector(query.get('labelSelector') ?? ''));
  const fields = onlyNamed(
    request.info.name,
    checkedFields(
      selector(() => parseFieldSelector(query.get('fieldSelector') ?? '')),
      served,
    ),
  );
  const name = exactFieldValue(fields, 'metadata.name');
  const where = namespace || (served.info.namespaced ? exactFieldValue(fields, 'metadata.namespace') : '');
  if (name && where !== undefined && !/[/%]/.test(name)) list.prefix = registry.key(where, name);
  else if (where) list.prefix = registry.key(where, '');
  list.filter = filterOf(labels, fields);
  return list;
}

/**
 * The name in `…/watch/…/NAME`, or the one that authorization read from the field selector. It alone was authorized:
 * whoever may read one object by its name is told of no other.
 */
function onlyNamed(name: string, fields: FieldSelector): FieldSelector {
  if (name === '') return fields;
  if (fields.length === 0) return [{ field: 'metadata.name', operator: '=', value: name }];
  if (fields.some((r) => r.field === 'metadata.name' && r.operator === '=' && r.value === name)) return fields;
  throw apiErrors.badRequest("fieldSelector metadata.name doesn't match requested name");
}

const everything: Omit<ListQuery, 'prefix'> = {
  filter: undefined,
  resourceVersion: '',
  match: undefined,
  limit: 0,
  continueToken: '',
  timeoutSeconds: undefined,
  sendInitialEvents: undefined,
  allowBookmarks: false,
};

/** Throws 422, as upstream's ValidateListOptions. */
export function validateListQuery(list: ListQuery, isWatch: boolean): void {
  const errors = isWatch ? watchErrors(list) : listErrors(list);
  if (errors.length > 0) throw apiErrors.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors);
}

const matchField = 'resourceVersionMatch';

function listErrors({ match, resourceVersion, continueToken, sendInitialEvents }: ListQuery): FieldError[] {
  const errors: FieldError[] = [];
  const forbid = (why: string) => errors.push(fieldError.forbidden(matchField, why));
  if (sendInitialEvents !== undefined) {
    errors.push(fieldError.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  }
  if (match === undefined) return errors;
  if (resourceVersion === '') forbid('resourceVersionMatch is forbidden unless resourceVersion is provided');
  if (continueToken !== '') forbid('resourceVersionMatch is forbidden when continue is provided');
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    errors.push(fieldError.notSupported(matchField, match, ['Exact', 'NotOlderThan', '']));
  }
  if (match === 'Exact' && resourceVersion === '0') {
    forbid('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  return errors;
}

function watchErrors({ match, sendInitialEvents, continueToken }: ListQuery): FieldError[] {
  const errors: FieldError[] = [];
  const forbid = (why: string) => errors.push(fieldError.forbidden(matchField, why));
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    forbid('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  if (match === undefined) return errors;
  if (sendInitialEvents === undefined) {
    forbid('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
  }
  if (match !== 'NotOlderThan') errors.push(fieldError.notSupported(matchField, match, ['NotOlderThan']));
  if (continueToken !== '') forbid('resourceVersionMatch is forbidden when continue is provided');
  return errors;
}

/** Of a list: 400. Undefined: none given. */
export function parseListRevision(text: string): number | undefined {
  if (text === '') return undefined;
  if (isRevision(text)) return Number(text);
  throw apiErrors.badRequest(`invalid resource version: ${badRevision(text)}`);
}

/** Of a watch or get: upstream lets this escape as a 500. */
export function parseWatchRevision(text: string): number | undefined {
  if (text === '') return undefined;
  if (isRevision(text)) return Number(text);
  throw new StatusError({ code: 500, message: badRevision(text) });
}

export function parseGetRevision(query: URLSearchParams): number | undefined {
  return parseWatchRevision(query.get('resourceVersion') ?? '');
}

function isRevision(text: string): boolean {
  return /^\d{1,19}$/.test(text);
}

function badRevision(text: string): string {
  return `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
}

export function parseInteger(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  if (/^[-+]?\d+$/.test(text)) return Number(text);
  throw apiErrors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** Anything but `false` and `0` is true: upstream's conversion of query values. */
function parseFlag(text: string | null): boolean | undefined {
  if (text === null) return undefined;
  return text !== '0' && text.toLowerCase() !== 'false';
}

function selector<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof SelectorSyntaxError ? apiErrors.badRequest(error.message) : error;
  }
}

/** Only the labels that this resource offers, by their names in the store. */
function checkedFields(fields: FieldSelector, served: ServedResource): FieldSelector {
  if (fields.length === 0) return fields;
  const { group, version, resource } = served.info;
  const supported = served.scheme.supportedFieldLabels(group, version, resource);
  return fields.map((requirement) => {
    const field = supported.get(requirement.field);
    if (field !== undefined) return { ...requirement, field };
    const own = [...supported.keys()].some((label) => !label.startsWith('metadata.'));
    throw apiErrors.badRequest(
      own
        ? `field label not supported: ${requirement.field}`
        : `${JSON.stringify(requirement.field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
    );
  });
}

function filterOf(labels: LabelSelector, fields: FieldSelector): EntryFilter | undefined {
  const hasLabels = labels.requirements.length > 0 || labels.matchesNothing;
  if (!hasLabels && fields.length === 0) return undefined;
  if (fields.length === 0) return (entry) => matchesLabels(labels, entry.labels);
  if (!hasLabels) return (entry) => matchesFields(fields, entry.fields);
  return (entry) => matchesLabels(labels, entry.labels) && matchesFields(fields, entry.fields);
}
