/**
 * How many seats a request takes. One for most; a list takes them by the objects it goes through, a watch by its initial
 * state, a write holds some for a moment after its answer, while its watchers are told.
 */
import type { ApiRequest } from '../request.ts';
import type { WorkEstimate } from './fair-queuing.ts';

export interface WorkEstimator {
  /** `levelSeats`: what the level has by its shares. */
  estimate(request: ApiRequest, levelSeats: number): WorkEstimate;
}

export interface WorkFacts {
  /** Objects of a resource, from the cache; undefined: nobody knows. */
  objectCount(group: string, resource: string): number | undefined;
  /** Watches that a write to this will be told to. */
  interestedWatches(request: ApiRequest): number;
}

const oneSeat: WorkEstimate = { initialSeats: 1, finalSeats: 0, finalMs: 0 };
const seatsMax = 10;
/** No request takes more of its level than this: a small level must not come to a halt for one list. */
const levelFractionMax = 0.15;
const objectsPerSeat = 100;
const watchesPerSeat = 10;
/** How long the events of a write keep a seat busy. */
const eventMs = 5;

export function createWorkEstimator(facts: WorkFacts): WorkEstimator {
  return {
    estimate(request, levelSeats) {
      const { info } = request;
      if (!info.isResourceRequest) return oneSeat;
      switch (info.verb) {
        case 'list':
          return seats(listSeats(facts, request), levelSeats);
        case 'watch':
          return sendsState(request) ? seats(listSeats(facts, request), levelSeats) : oneSeat;
        case 'create':
        case 'update':
        case 'patch':
        case 'delete':
          return writeWork(facts.interestedWatches(request), levelSeats);
        default:
          return oneSeat;
      }
    },
  };
}

function seats(wanted: number, levelSeats: number): WorkEstimate {
  const initialSeats = Math.min(wanted, seatsMaxOf(levelSeats));
  return initialSeats === 1 ? oneSeat : { initialSeats, finalSeats: 0, finalMs: 0 };
}

function seatsMaxOf(levelSeats: number): number {
  return Math.max(1, Math.min(seatsMax, Math.ceil(levelSeats * levelFractionMax)));
}

function listSeats(facts: WorkFacts, { info, url }: ApiRequest): number {
  if (info.name !== '') return 1;
  const count = facts.objectCount(info.group, info.resource);
  // Nobody knows how many there are: a resource whose cache is being filled is not cheap to list.
  if (count === undefined) return seatsMax;
  const limit = url.search === '' ? 0 : Number(url.searchParams.get('limit') ?? 0);
  // A selector looks at every object; a page without one only at its own.
  const isSelective =
    url.search !== '' && (has(url.searchParams, 'labelSelector') || has(url.searchParams, 'fieldSelector'));
  const looksAt = limit > 0 && !isSelective ? Math.min(limit, count) : count;
  return Math.max(1, Math.ceil(looksAt / objectsPerSeat));
}

function has(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== '';
}

function sendsState({ url }: ApiRequest): boolean {
  const query = url.searchParams;
  const version = query.get('resourceVersion') ?? '';
  return query.get('sendInitialEvents') === 'true' || version === '' || version === '0';
}

function writeWork(watches: number, levelSeats: number): WorkEstimate {
  // A few are told so soon that a timer for them would cost more than they do.
  if (watches < watchesPerSeat) return oneSeat;
  const wanted = Math.ceil(watches / watchesPerSeat);
  const finalSeats = Math.min(wanted, seatsMaxOf(levelSeats));
  // More seats than it may have: fewer, for longer.
  return { initialSeats: 1, finalSeats, finalMs: eventMs * Math.ceil(wanted / finalSeats) };
}
