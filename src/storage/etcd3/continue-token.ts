import { apiErrors, type StatusError } from '#apimachinery/status-error.ts';

/** Where the next page starts, and of which snapshot. */
export interface PagePosition {
  /** -1: "inconsistent", continue with the newest state. */
  revision: number;
  /** The first key of the page. */
  startKey: string;
}

const version = 'meta.k8s.io/v1';

/** Upstream's shape, so that a page begun at one server can be continued at another, theirs or ours. */
export function encodeContinueToken(position: PagePosition, prefix: string): string {
  const token = { v: version, rv: position.revision, start: position.startKey.slice(prefix.length) };
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

/** Of a page that ended with `lastKey`. */
export function continueAfter(lastKey: string, revision: number, prefix: string): string {
  return encodeContinueToken({ revision, startKey: `${lastKey}\0` }, prefix);
}

export function decodeContinueToken(token: string, prefix: string): PagePosition {
  const text = Buffer.from(token, 'base64url').toString('latin1');
  let parsed: { v?: unknown; rv?: unknown; start?: unknown };
  try {
    parsed = JSON.parse(Buffer.from(text, 'latin1').toString());
  } catch {
    throw invalid(jsonComplaint(text));
  }
  if (parsed?.v !== version) {
    const shown = typeof parsed?.v === 'string' ? parsed.v : '';
    throw invalid(`server does not recognize this encoded version ${shown}`);
  }
  const { rv, start } = parsed;
  if (!Number.isSafeInteger(rv) || rv === 0)
    throw invalid(`incorrect encoded start resourceVersion (version ${version})`);
  if (typeof start !== 'string' || start === '') throw invalid(`encoded start key empty (version ${version})`);
  // A start that climbs out of the prefix would read another resource's keys.
  if (start.split('/').includes('..')) throw invalid(start);
  return { revision: rv as number, startKey: prefix + (start.startsWith('/') ? start.slice(1) : start) };
}

function invalid(why: string): StatusError {
  return apiErrors.badRequest(`invalid continue token: continue key is not valid: ${why}`);
}

/** As upstream's JSON reader words it. */
function jsonComplaint(text: string): string {
  if (text === '') return 'unexpected end of JSON input';
  const first = text[0]!;
  const code = first.charCodeAt(0);
  const shown = code < 0x20 || code > 0x7e ? `\\u${code.toString(16).padStart(4, '0')}` : first;
  return `invalid character '${shown}' looking for beginning of value`;
}

/** The snapshot of a page is gone. The Status carries a token that continues, inconsistently, with the newest state. */
export function expiredContinue(position: PagePosition, prefix: string): StatusError {
  const error = apiErrors.expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
  );
  error.status.metadata = { continue: encodeContinueToken({ revision: -1, startKey: position.startKey }, prefix) };
  return error;
}
