import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyedHeap } from './heap.ts';

test('scheduler: heap: any operations: behaves as a sorted list', () => {
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key: fc.constantFrom(...'abcdefgh'), value: fc.nat(100) }),
    fc.record({ kind: fc.constant('delete' as const), key: fc.constantFrom(...'abcdefgh') }),
    fc.record({ kind: fc.constant('pop' as const) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const heap = new KeyedHeap<number>((a, b) => a < b);
      const model = new Map<string, number>();
      for (const op of operations) {
        if (op.kind === 'set') {
          heap.set(op.key, op.value);
          model.set(op.key, op.value);
        } else if (op.kind === 'delete') {
          assert.equal(heap.delete(op.key), model.get(op.key));
          model.delete(op.key);
        } else {
          const least = model.size ? Math.min(...model.values()) : undefined;
          assert.equal(heap.peek(), least);
          assert.equal(heap.pop(), least);
          // Which of several equals it was, the heap's own content tells.
          for (const [key, value] of model) {
            if (value === least && heap.get(key) === undefined) {
              model.delete(key);
              break;
            }
          }
        }
        assert.equal(heap.size, model.size);
        for (const [key, value] of model) assert.equal(heap.get(key), value);
      }
    }),
  );
});
