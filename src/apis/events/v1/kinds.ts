import type { KindFolder } from '../../built-in-kinds.ts';
import { event } from './event.ts';

export const eventsV1: KindFolder = { events: event };
