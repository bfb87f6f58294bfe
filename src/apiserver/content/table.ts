import { fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject, ListMeta } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import { buildTable, parseIncludeObject, type Table } from '#apimachinery/table/table.ts';
import type { ServedResource } from '../endpoints/served-resource.ts';
import type { ApiRequest } from '../request.ts';

/** Rows as `kubectl get` prints them. Columns only when they are news: not in later events of a watch. */
export function tableOf(
  request: ApiRequest,
  served: ServedResource,
  objects: readonly KubeObject[],
  metadata: ListMeta,
  withColumns: boolean,
): Table {
  const asked = request.url.searchParams.get('includeObject');
  const includeObject = parseIncludeObject(asked);
  if (includeObject === undefined) {
    const error = fieldError.invalid('includeObject', asked, "must be 'Metadata', 'Object', 'None', or empty");
    throw apiErrors.badRequest(`Unable to convert to Table as requested: ${error.field}: ${error.message}`);
  }
  const nowMs = served.nowMs();
  const row = served.tableRow;
  return buildTable(
    withColumns ? served.columns : null,
    objects,
    (object) => row(object, nowMs),
    metadata,
    includeObject,
  );
}
