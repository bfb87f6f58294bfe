import { type StatusCause, StatusError } from '../status-error.ts';
import type { Conflict } from './field-manager.ts';
import { pathsOf } from './field-set.ts';
import type { Manager } from './managers.ts';
import { formatPath } from './path-element.ts';

/** 409 with each field and who holds it: clients show the message, and programs read the causes. */
export function conflictError(conflicts: readonly Conflict[]): StatusError {
  const byManager = conflicts
    .map(({ manager, set }) => ({ shown: formatManager(manager), paths: pathsOf(set).map(formatPath) }))
    .sort((a, b) => (a.shown < b.shown ? -1 : 1));
  const causes: StatusCause[] = byManager.flatMap(({ shown, paths }) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${shown}`, field })),
  );
  const texts = byManager.map(({ shown, paths }) =>
    [`conflicts with ${shown}:`, ...paths.map((p) => `- ${p}`)].join('\n'),
  );
  const message =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`
      : `Apply failed with ${causes.length} conflicts: ${texts.join('\n')}`;
  return new StatusError({ code: 409, reason: 'Conflict', message, details: { causes } });
}

/** `"kubectl" using apps/v1`, `"kubelet" with subresource "status" using v1`; an applier is only its name. */
function formatManager({ name, subresource, operation, apiVersion }: Manager): string {
  const part = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(name)}${part}${operation === 'Update' ? ` using ${apiVersion}` : ''}`;
}
