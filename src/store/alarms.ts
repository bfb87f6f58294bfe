/**
 * What the store complains of until somebody disarms it: kept in the database, so that a restart does not forget it.
 * A member's ID goes with each alarm, as in etcd, where members raise them for themselves.
 */
import { AlarmType } from '#etcd/messages.ts';
import type { Database } from './backend/database.ts';

export interface Alarm {
  memberId: bigint;
  alarm: AlarmType;
}

/** One per member and kind; more members than this do not exist. */
const alarmsMax = 64;

const names: Record<number, string> = { [AlarmType.NOSPACE]: 'NOSPACE', [AlarmType.CORRUPT]: 'CORRUPT' };

export class Alarms {
  readonly #database: Database;
  #raised: Alarm[];

  constructor(database: Database) {
    this.#database = database;
    this.#raised = decode(database.alarms);
  }

  get size(): number {
    return this.#raised.length;
  }

  has(type: AlarmType): boolean {
    return this.#raised.some(({ alarm }) => alarm === type);
  }

  /** `NONE`: all. */
  list(type: AlarmType): Alarm[] {
    return this.#raised.filter(({ alarm }) => type === AlarmType.NONE || alarm === type);
  }

  /** Within a commit. What is raised now of it; kinds nobody knows are not. */
  activate(memberId: bigint, alarm: AlarmType): Alarm[] {
    if (!names[alarm] || this.#raised.length >= alarmsMax) return [];
    if (!this.#find(memberId, alarm)) this.#set([...this.#raised, { memberId, alarm }]);
    return [{ memberId, alarm }];
  }

  /** Within a commit. What was disarmed. */
  deactivate(memberId: bigint, alarm: AlarmType): Alarm[] {
    const found = this.#find(memberId, alarm);
    if (!found) return [];
    this.#set(this.#raised.filter((one) => one !== found));
    return [found];
  }

  /** As `endpoint status` shows them. */
  texts(): string[] {
    return this.#raised.map(({ memberId, alarm }) => `memberID:${memberId} alarm:${names[alarm]} `);
  }

  #find(memberId: bigint, alarm: AlarmType): Alarm | undefined {
    return this.#raised.find((one) => one.memberId === memberId && one.alarm === alarm);
  }

  #set(raised: Alarm[]): void {
    this.#raised = raised;
    this.#database.alarms = raised.map(({ memberId, alarm }) => `${memberId}:${alarm}`).join(',');
  }
}

function decode(text: string): Alarm[] {
  if (text === '') return [];
  return text.split(',').map((one) => {
    const [memberId, alarm] = one.split(':') as [string, string];
    return { memberId: BigInt(memberId), alarm: Number(alarm) as AlarmType };
  });
}
