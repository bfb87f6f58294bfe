import { isStatusError } from '#apimachinery/status-error.ts';

/** Refused because the namespace is going away: nothing can be made in it any more, and nothing needs to be. */
export function isNamespaceTerminating(error: unknown): boolean {
  return isStatusError(error) && (error.status.details?.causes ?? []).some((c) => c.reason === 'NamespaceTerminating');
}
