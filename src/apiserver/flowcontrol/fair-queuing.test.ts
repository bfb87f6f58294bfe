import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { FairQueues, Ticket, type WorkEstimate } from './fair-queuing.ts';
import { hashFlow } from './shuffle-sharding.ts';

const one: WorkEstimate = { initialSeats: 1, finalSeats: 0, finalMs: 0 };
const wide = (initialSeats: number): WorkEstimate => ({ initialSeats, finalSeats: 0, finalMs: 0 });

class Level {
  readonly clock = new FakeClock();
  readonly queues: FairQueues;
  readonly events: string[] = [];

  constructor(limit: number, queuing: { queues: number; handSize: number; queueLengthLimit: number } | undefined) {
    this.queues = new FairQueues(this.clock, queuing, limit);
  }

  /** Enters a request; what becomes of it is written down. */
  arrive(name: string, flow: string, work = one): { ticket: Ticket; outcome: string } {
    const ticket = new Ticket(flow, work, this.clock.monotonic());
    const outcome = this.queues.admit(ticket, hashFlow('schema', flow));
    if (outcome === undefined) this.events.push(`${name} starts`);
    else if (outcome === 'queued')
      ticket.settle = (rejection) => this.events.push(rejection ? `${name} ${rejection}` : `${name} starts`);
    else this.events.push(`${name} ${outcome}`);
    return { ticket, outcome: outcome ?? 'executing' };
  }
}

test('fair queuing: seats: given while there are any, then in turn', async () => {
  const level = new Level(2, { queues: 4, handSize: 1, queueLengthLimit: 10 });
  const a = level.arrive('a', 'x');
  level.arrive('b', 'x');
  level.arrive('c', 'x');
  level.arrive('d', 'x');
  assert.deepEqual(level.events, ['a starts', 'b starts']);
  assert.equal(level.queues.waiting, 2);
  await level.clock.advance(10);
  level.queues.finish(a.ticket);
  assert.deepEqual(level.events.slice(2), ['c starts']);
  assert.equal(level.queues.seatsInUse, 2);
});

test('fair queuing: without queues: what finds no seat is refused', () => {
  const level = new Level(1, undefined);
  const first = level.arrive('a', 'x');
  assert.equal(level.arrive('b', 'x').outcome, 'concurrency-limit');
  level.queues.finish(first.ticket);
  assert.equal(level.arrive('c', 'x').outcome, 'executing');
});

test('fair queuing: a full queue: refused, other flows are not', () => {
  const level = new Level(1, { queues: 64, handSize: 1, queueLengthLimit: 3 });
  level.arrive('running', 'elephant');
  const outcomes = Array.from({ length: 5 }, (_, i) => level.arrive(`e${i}`, 'elephant').outcome);
  assert.deepEqual(outcomes, ['queued', 'queued', 'queued', 'queue-full', 'queue-full']);
  assert.equal(level.arrive('m', 'mouse').outcome, 'queued');
});

test('fair queuing: an elephant and a mouse: the mouse does not wait behind it', async () => {
  const level = new Level(1, { queues: 64, handSize: 1, queueLengthLimit: 1000 });
  const running = level.arrive('e', 'elephant').ticket;
  const tickets = Array.from({ length: 50 }, (_, i) => level.arrive(`e${i}`, 'elephant').ticket);
  level.arrive('mouse', 'mouse');
  await level.clock.advance(5);
  level.queues.finish(running);
  assert.equal(level.events.at(-1), 'mouse starts', 'its queue has had nothing yet');
  assert.equal(tickets.filter((t) => t.state === 'executing').length, 0);
});

test('fair queuing: a wide request: waits for its seats, and nobody slips past it', async () => {
  const level = new Level(4, { queues: 1, handSize: 1, queueLengthLimit: 10 });
  const small = [level.arrive('s1', 'x'), level.arrive('s2', 'x')];
  level.arrive('wide', 'x', wide(4));
  level.arrive('s3', 'x');
  assert.deepEqual(level.events, ['s1 starts', 's2 starts']);
  for (const { ticket } of small) level.queues.finish(ticket);
  assert.deepEqual(level.events.slice(2), ['wide starts']);
});

test('fair queuing: wider than the level: runs when it is alone', () => {
  const level = new Level(2, { queues: 1, handSize: 1, queueLengthLimit: 10 });
  const first = level.arrive('s', 'x');
  level.arrive('wide', 'x', wide(10));
  level.queues.finish(first.ticket);
  assert.deepEqual(level.events, ['s starts', 'wide starts']);
});

test('fair queuing: final seats: held for a while after the answer', async () => {
  const level = new Level(2, { queues: 1, handSize: 1, queueLengthLimit: 10 });
  const write = level.arrive('write', 'x', { initialSeats: 1, finalSeats: 2, finalMs: 10 });
  level.arrive('next', 'y');
  level.queues.finish(write.ticket);
  assert.equal(level.queues.seatsInUse, 2);
  assert.deepEqual(level.events, ['write starts']);
  await level.clock.advance(10);
  assert.deepEqual(level.events, ['write starts', 'next starts']);
  assert.equal(level.queues.seatsInUse, 1);
});

test('fair queuing: giving up: leaves its place, frees the way', () => {
  const level = new Level(2, { queues: 1, handSize: 1, queueLengthLimit: 10 });
  level.arrive('a', 'x');
  const blocked = level.arrive('wide', 'x', wide(2));
  level.arrive('b', 'x');
  level.queues.withdraw(blocked.ticket, 'cancelled');
  assert.deepEqual(level.events, ['a starts', 'wide cancelled', 'b starts']);
  level.queues.withdraw(blocked.ticket, 'time-out');
  assert.equal(level.queues.waiting, 0);
});

test('fair queuing: fewer queues: those who stand in one are still served', () => {
  const level = new Level(1, { queues: 16, handSize: 2, queueLengthLimit: 10 });
  let running = level.arrive('a', 'f0').ticket;
  const waiting = Array.from({ length: 8 }, (_, i) => level.arrive(`w${i}`, `f${i}`).ticket);
  level.queues.configure({ queues: 1, handSize: 1, queueLengthLimit: 10 });
  for (let i = 0; i < 8; i++) {
    level.queues.finish(running);
    running = waiting.find((t) => t.state === 'executing')!;
    assert.ok(running, `after ${i}`);
  }
  level.queues.finish(running);
  assert.equal(level.queues.queues().length, 0);
  assert.ok(level.queues.isIdle);
});

/** One step of a random life: somebody comes, somebody is done, somebody gives up, time passes, the limit changes. */
type Step =
  | { do: 'arrive'; flow: number; seats: number; finalSeats: number }
  | { do: 'finish'; which: number }
  | { do: 'withdraw'; which: number }
  | { do: 'pass'; ms: number }
  | { do: 'limit'; seats: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('arrive' as const),
      flow: fc.nat(7),
      seats: fc.integer({ min: 1, max: 5 }),
      finalSeats: fc.nat(3),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('withdraw' as const), which: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 50 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), seats: fc.integer({ min: 1, max: 12 }) }) },
);

test('fair queuing: any life: the books balance, no seat too many, none idle while its turn has come', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
      const level = new Level(6, { queues: 8, handSize: 2, queueLengthLimit: 5 });
      let limit = 6;
      const tickets: Ticket[] = [];
      const of = (state: Ticket['state']) => tickets.filter((t) => t.state === state);
      let shrunk = false;
      for (const s of steps) {
        if (s.do === 'arrive') {
          const finalMs = s.finalSeats > 0 ? 7 : 0;
          const work = { initialSeats: s.seats, finalSeats: s.finalSeats, finalMs };
          const { ticket, outcome } = level.arrive('t', `flow-${s.flow}`, work);
          if (outcome === 'executing' || outcome === 'queued') tickets.push(ticket);
        } else if (s.do === 'finish') {
          const running = of('executing');
          if (running.length > 0) level.queues.finish(running[s.which % running.length]!);
        } else if (s.do === 'withdraw') {
          const waiting = of('waiting');
          if (waiting.length > 0) level.queues.withdraw(waiting[s.which % waiting.length]!, 'time-out');
        } else if (s.do === 'pass') {
          await level.clock.advance(s.ms);
        } else {
          shrunk ||= s.seats < limit;
          limit = s.seats;
          level.queues.setLimit(limit);
        }
        const executing = of('executing').reduce((n, t) => n + t.seatsMax, 0);
        const holding = of('holding').reduce((n, t) => n + t.work.finalSeats, 0);
        assert.equal(level.queues.seatsInUse, executing + holding);
        assert.equal(level.queues.executing, of('executing').length);
        assert.equal(level.queues.waiting, of('waiting').length);
        assert.equal(
          level.queues.seatsWaiting,
          of('waiting').reduce((n, t) => n + t.seatsMax, 0),
        );
        const isLoneGiant = of('executing').length + of('holding').length === 1;
        if (!shrunk && !isLoneGiant) assert.ok(level.queues.seatsInUse <= limit);
        // Work conserving: if anybody waits, at least one head does not fit.
        const heads = level.queues.queues().flatMap((q) => q.waiting.slice(0, 1));
        const inUse = level.queues.seatsInUse;
        if (heads.length > 0)
          assert.ok(heads.some((t) => (t.seatsMax > limit ? inUse > 0 : inUse + t.seatsMax > limit)));
      }
      // In the end everybody gets their turn.
      for (let i = 0; i < 1_000 && !level.queues.isIdle; i++) {
        for (const t of of('executing')) level.queues.finish(t);
        await level.clock.advance(10);
      }
      assert.ok(level.queues.isIdle, 'someone waits for ever');
    }),
    { numRuns: 150 },
  );
});

test('fair queuing: against the ideal: backlogged flows get equal seat-seconds, whatever their requests look like', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ seats: fc.integer({ min: 1, max: 4 }), ms: fc.integer({ min: 1, max: 40 }) }), {
        minLength: 2,
        maxLength: 5,
      }),
      fc.integer({ min: 4, max: 10 }),
      async (flows, limit) => {
        const served = await serveBacklogged(flows, limit, 3_000);
        // Two flows may share the one queue a hand of one gives them: those are one competitor.
        const byQueue = new Map<number, number>();
        for (const { queue, seatSeconds } of served) byQueue.set(queue, (byQueue.get(queue) ?? 0) + seatSeconds);
        const shares = [...byQueue.values()];
        if (shares.length < 2) return;
        const ideal = shares.reduce((a, b) => a + b) / shares.length;
        const largest = Math.max(...flows.map((f) => (f.seats * f.ms) / 1000));
        // A fair queue is ahead or behind by what is in service and one request more, never by a share of the time.
        const lag = limit * largest + 2 * largest;
        for (const share of shares) assert.ok(Math.abs(share - ideal) <= lag, `${share} of ${ideal}, allowed ${lag}`);
      },
    ),
    { numRuns: 15 },
  );
});

/** Each flow always has ten requests waiting; what each was given after so many milliseconds. */
async function serveBacklogged(flows: { seats: number; ms: number }[], limit: number, forMs: number) {
  const level = new Level(limit, { queues: 16, handSize: 1, queueLengthLimit: 1000 });
  const served = flows.map(() => ({ queue: -1, seatSeconds: 0 }));
  const feed = (i: number) => {
    const { seats, ms } = flows[i]!;
    const ticket = new Ticket(`flow-${i}`, wide(seats), level.clock.monotonic());
    const started = () => {
      level.clock.setTimer(ms, () => {
        served[i]!.seatSeconds += (seats * ms) / 1000;
        level.queues.finish(ticket);
        feed(i);
      });
    };
    const outcome = level.queues.admit(ticket, hashFlow('schema', `flow-${i}`));
    served[i]!.queue = ticket.queue!.index;
    if (outcome === undefined) started();
    else ticket.settle = started;
  };
  for (let round = 0; round < 10; round++) for (const i of flows.keys()) feed(i);
  await level.clock.advance(forMs);
  return served;
}
