import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packEndpoints } from './pack-endpoints.ts';
import type { Endpoint } from './slice.ts';

const endpoint = (uid: number): Endpoint => ({
  addresses: [`10.0.0.${uid}`],
  conditions: { ready: true, serving: true, terminating: false },
  targetRef: { kind: 'Pod', uid: String(uid) },
});
const uids = (endpoints: readonly Endpoint[]) => endpoints.map((e) => Number(e.targetRef.uid));

test('packing: any slices, any endpoints: each exactly once, no slice too large, none touched without need', () => {
  const sets = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(sets, { maxLength: 6 }), sets, (before, wanted) => {
      const max = 5;
      const slices = before.map((s) => ({ endpoints: s.slice(0, max).map(endpoint) }));
      const { create, update, remove } = packEndpoints(slices, wanted.map(endpoint), max);
      const touched = new Set([...update.map((u) => u.slice), ...remove]);
      const after = [
        ...slices.filter((s) => !touched.has(s)).map((s) => s.endpoints),
        ...update.map((u) => u.endpoints),
        ...create,
      ];
      assert.deepEqual(
        uids(after.flat()).sort((a, b) => a - b),
        [...wanted].sort((a, b) => a - b),
      );
      for (const endpoints of after) assert.ok(endpoints.length <= max && endpoints.length > 0);
      // Packed again, it stays as it is.
      const again = packEndpoints(
        after.map((endpoints) => ({ endpoints })),
        wanted.map(endpoint),
        max,
      );
      assert.deepEqual(again, { create: [], update: [], remove: [] });
    }),
  );
});
