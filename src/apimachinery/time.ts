/**
 * Timestamps of API objects. Time (most fields) has whole seconds, MicroTime (Lease, Event) microseconds; both are
 * UTC. Times are milliseconds since the epoch here.
 */

/** `2026-01-31T09:08:07Z` */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** `2026-01-31T09:08:07.123000Z` */
export function formatMicroTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}

/** Milliseconds of an RFC 3339 text, with any fraction and offset; undefined if it is none. */
export function parseTime(text: string | null | undefined): number | undefined {
  if (!text) return undefined;
  const match = rfc3339.exec(text);
  if (!match || !isDate(match)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

function isDate([, year, month, day, hour, minute, second]: RegExpExecArray): boolean {
  const m = Number(month);
  const leap = Number(year) % 4 === 0 && (Number(year) % 100 !== 0 || Number(year) % 400 === 0);
  const days = m === 2 ? (leap ? 29 : 28) : m === 4 || m === 6 || m === 9 || m === 11 ? 30 : 31;
  return (
    m >= 1 &&
    m <= 12 &&
    Number(day) >= 1 &&
    Number(day) <= days &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60
  );
}

/** As an API server prints it back; throws TimeFormatError in the words of Go's time package. */
export function normalizeTime(text: string): string {
  const ms = parseTime(text);
  if (ms === undefined) throw new TimeFormatError(goParseError(text, '2006-01-02T15:04:05Z07:00'));
  return text.length === 20 ? text : formatTime(ms);
}

/** Six digits of a second, no more and no fewer, are demanded. */
export function normalizeMicroTime(text: string): string {
  const ms = parseTime(text);
  if (ms === undefined || !/\.\d{6}(Z|[+-])/.test(text)) {
    throw new TimeFormatError(goParseError(text, '2006-01-02T15:04:05.000000Z07:00'));
  }
  return text.endsWith('Z') ? text : `${formatTime(ms).slice(0, 19)}${text.slice(19, 26)}Z`;
}

export class TimeFormatError extends Error {
  override name = 'TimeFormatError';
}

/** The age column of tables: `5s`, `3m12s`, `2h`, `4d5h`. */
export function formatAge(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (days < 8) return pair(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  const years = Math.trunc(days / 365);
  return days < 8 * 365 ? pair(years, 'y', days % 365, 'd') : `${years}y`;
}

function pair(major: number, majorUnit: string, minor: number, minorUnit: string): string {
  return minor === 0 ? `${major}${majorUnit}` : `${major}${majorUnit}${minor}${minorUnit}`;
}

/** Finds the element of the layout at which Go's parser gives up. */
function goParseError(text: string, layout: string): string {
  const head = `parsing time ${JSON.stringify(text)}`;
  const elements: [element: string, pattern: RegExp][] = [
    ['2006', /^\d{4}/],
    ['-', /^-/],
    ['01', /^\d\d/],
    ['-', /^-/],
    ['02', /^\d\d/],
    ['T', /^T/],
    ['15', /^\d\d?/],
    [':', /^:/],
    ['04', /^\d\d/],
    [':', /^:/],
    ['05', /^\d\d/],
  ];
  if (layout.includes('.000000')) elements.push(['.000000', /^[.,]\d{6}(?!\d)/]);
  elements.push(['Z07:00', /^(Z|[+-]\d\d:\d\d)/]);
  const ranges: Record<string, [name: string, min: number, max: number]> = {
    '01': ['month', 1, 12],
    '02': ['day', 1, 31],
    '15': ['hour', 0, 23],
    '04': ['minute', 0, 59],
    '05': ['second', 0, 59],
  };
  let rest = text;
  for (const [element, pattern] of elements) {
    const match = pattern.exec(rest);
    if (!match)
      return `${head} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(element)}`;
    const range = ranges[element];
    const value = Number(match[0]);
    if (range && (value < range[1] || value > range[2])) return `${head}: ${range[0]} out of range`;
    rest = rest.slice(match[0].length);
    if (element === '05' && !layout.includes('.000000')) rest = rest.replace(/^[.,]\d+/, '');
  }
  return rest === '' ? `${head}: day out of range` : `${head}: extra text: ${JSON.stringify(rest)}`;
}
