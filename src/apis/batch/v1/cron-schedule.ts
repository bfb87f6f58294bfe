/** Cron schedules of five fields, `@daily` and `@every 5m`: whether they are ones, in the words of upstream's parser. */

interface Bounds {
  min: number;
  max: number;
  names?: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields: Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: weekdays },
];
const descriptors = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
const duration = /^([-+]?(\d+(\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h))+$/;

/** Undefined: it is a schedule. */
export function cronScheduleError(schedule: string): string | undefined {
  if (schedule === '') return 'empty spec string';
  if (schedule.startsWith('@')) {
    if (descriptors.includes(schedule)) return undefined;
    if (schedule.startsWith('@every '))
      return duration.test(schedule.slice(7)) ? undefined : `failed to parse duration ${schedule}`;
    return `unrecognized descriptor: ${schedule}`;
  }
  const parts = schedule.split(/\s+/).filter((part) => part !== '');
  if (parts.length !== fields.length) return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`;
  for (const [i, part] of parts.entries()) {
    for (const expression of part.split(',')) {
      const error = rangeError(expression, fields[i]!);
      if (error) return error;
    }
  }
  return undefined;
}

function rangeError(expression: string, bounds: Bounds): string | undefined {
  const [range = '', step, ...rest] = expression.split('/');
  const [low = '', high, ...more] = range.split('-');
  if (more.length > 0) return `too many hyphens: ${expression}`;
  if (rest.length > 0) return `too many slashes: ${expression}`;
  let start = bounds.min;
  let end = bounds.max;
  if (low !== '*' && low !== '?') {
    const first = numberOf(low, bounds);
    if (typeof first === 'string') return first;
    start = first;
    end = first;
    if (high !== undefined) {
      const last = numberOf(high, bounds);
      if (typeof last === 'string') return last;
      end = last;
    } else if (step !== undefined) end = bounds.max;
  }
  if (step !== undefined) {
    const every = numberOf(step, { min: 0, max: 0 });
    if (typeof every === 'string') return every;
    if (every === 0) return `step of range should be a positive number: ${expression}`;
  }
  if (start < bounds.min) return `beginning of range (${start}) below minimum (${bounds.min}): ${expression}`;
  if (end > bounds.max) return `end of range (${end}) above maximum (${bounds.max}): ${expression}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${expression}`;
  return undefined;
}

function numberOf(text: string, { min, names }: Bounds): number | string {
  const index = names?.indexOf(text.toLowerCase()) ?? -1;
  if (index >= 0) return index + min;
  if (/^\d+$/.test(text)) return Number(text);
  return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
}
