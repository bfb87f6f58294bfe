import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '#base/testing/fake-clock.ts';
import { type AllocationInput, allocateSeats, nominalLimits, smoothDemand } from './seat-allocation.ts';
import { SeatDemand } from './seat-demand.ts';

const shares = (name: string, nominalConcurrencyShares: number, lendablePercent: number, isExempt = false) => ({
  name,
  isExempt,
  nominalConcurrencyShares,
  lendablePercent,
  borrowingLimitPercent: undefined,
});

test('seats: nominal: upstream’s numbers for the levels a cluster starts with', () => {
  const limits = nominalLimits(600, [
    shares('exempt', 0, 0, true),
    shares('catch-all', 5, 0),
    shares('global-default', 20, 50),
    shares('leader-election', 10, 0),
    shares('node-high', 40, 25),
    shares('system', 30, 33),
    shares('workload-high', 40, 50),
    shares('workload-low', 100, 90),
  ]);
  const nominal = Object.fromEntries([...limits].map(([name, l]) => [name, l.nominal]));
  assert.deepEqual(nominal, {
    exempt: 0,
    'catch-all': 13,
    'global-default': 49,
    'leader-election': 25,
    'node-high': 98,
    system: 74,
    'workload-high': 98,
    'workload-low': 245,
  });
  assert.equal(limits.get('workload-low')!.min, 24);
  assert.equal(limits.get('system')!.min, 50);
});

test('seats: nominal: a borrowing limit bounds the maximum', () => {
  const limits = nominalLimits(100, [{ ...shares('a', 50, 0), borrowingLimitPercent: 20 }, shares('b', 50, 0)]);
  assert.equal(limits.get('a')!.max, 60);
  assert.equal(limits.get('b')!.max, 150);
});

const level = (name: string, over: Partial<AllocationInput> = {}): AllocationInput => ({
  name,
  isExempt: false,
  nominal: 50,
  min: 10,
  max: 150,
  demandMax: 0,
  demandSmoothed: 0,
  ...over,
});

test('seats: borrowing: who needs more gets what others leave', () => {
  const { current } = allocateSeats(100, [level('busy', { demandMax: 300, demandSmoothed: 300 }), level('idle')]);
  assert.ok(current.get('busy')! > 80, `${current.get('busy')}`);
  assert.ok(current.get('idle')! >= 10);
});

test('seats: borrowing: both need all they can get: each its own', () => {
  const { current } = allocateSeats(100, [
    level('a', { demandMax: 300, demandSmoothed: 300 }),
    level('b', { demandMax: 900, demandSmoothed: 900 }),
  ]);
  assert.equal(current.get('a'), 50);
  assert.equal(current.get('b'), 50);
});

test('seats: borrowing: what exempt requests use is taken off, and leaves everyone a seat', () => {
  const exempt = level('exempt', { isExempt: true, nominal: 0, min: 0, demandMax: 95 });
  const { current } = allocateSeats(100, [exempt, level('a'), level('b')]);
  assert.ok(current.get('a')! >= 1 && current.get('b')! >= 1);
  assert.ok(current.get('a')! + current.get('b')! <= 6);
});

test('seats: allocation: any demands: within each level’s bounds, all seats given out and no more', () => {
  const input = fc.array(
    fc.record({
      nominal: fc.integer({ min: 1, max: 200 }),
      lent: fc.integer({ min: 0, max: 100 }),
      borrowed: fc.integer({ min: 0, max: 200 }),
      demandMax: fc.double({ min: 0, max: 500, noNaN: true }),
      demandSmoothed: fc.double({ min: 0, max: 500, noNaN: true }),
    }),
    { minLength: 1, maxLength: 9 },
  );
  fc.assert(
    fc.property(input, (levels) => {
      const seats = levels.reduce((n, l) => n + l.nominal, 0);
      const all = levels.map((l, i) => ({
        ...l,
        name: `l${i}`,
        isExempt: false,
        min: Math.round((l.nominal * (100 - l.lent)) / 100),
        max: l.nominal + l.borrowed,
      }));
      const { current, fairFraction } = allocateSeats(seats, all);
      assert.ok(Number.isFinite(fairFraction) && fairFraction >= 0);
      let sum = 0;
      for (const l of all) {
        const got = current.get(l.name)!;
        sum += got;
        assert.ok(got >= Math.max(1, Math.floor(l.min)) && got <= Math.max(1, l.max), `${got} of ${l.min}–${l.max}`);
      }
      // Rounding, and the one seat that everyone has, may add at most one each.
      assert.ok(sum <= seats + all.length, `${sum} given of ${seats}`);
      const couldTakeMore = all.some((l) => Math.max(l.min, l.demandSmoothed) > 0 && current.get(l.name)! < l.max - 1);
      if (couldTakeMore) assert.ok(sum >= seats - all.length, `${sum} given of ${seats}`);
    }),
  );
});

test('seats: demand: average, deviation and maximum of the time between two looks', async () => {
  const clock = new FakeClock();
  const demand = new SeatDemand(clock);
  demand.set(4);
  await clock.advance(500);
  demand.set(0);
  await clock.advance(500);
  assert.deepEqual(demand.take(), { average: 2, deviation: 2, max: 4 });
  await clock.advance(100);
  assert.deepEqual(demand.take(), { average: 0, deviation: 0, max: 0 });
});

test('seats: demand: smoothed: up at once, down slowly', () => {
  const high = smoothDemand(0, { average: 90, deviation: 10, max: 120 });
  assert.equal(high, 100);
  let demand = high;
  for (let i = 0; i < 10; i++) demand = smoothDemand(demand, { average: 0, deviation: 0, max: 0 });
  assert.ok(demand > 75 && demand < 85, `${demand}`);
});
