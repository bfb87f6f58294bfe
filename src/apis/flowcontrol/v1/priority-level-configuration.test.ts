import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { priorityLevelConfiguration } from './priority-level-configuration.ts';

const level = (queuing: object): KubeObject => ({
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'PriorityLevelConfiguration',
  metadata: { name: 'l' },
  spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Queue', queuing } } },
});
const errorsOf = (queuing: object) =>
  priorityLevelConfiguration.strategy!.validate!(level(queuing)).map(
    (e) => `${e.field}: ${/Invalid value: (-?\d+)/.exec(e.message)?.[1]}`,
  );
const at = 'spec.limited.limitResponse.queuing';

test('priority levels: queuing: what a cluster starts with is accepted', () => {
  assert.deepEqual(errorsOf({ queues: 128, handSize: 6, queueLengthLimit: 50 }), []);
});

test('priority levels: queuing: absurd limits are refused with their field', () => {
  assert.deepEqual(errorsOf({ queues: 4, handSize: 5, queueLengthLimit: 50 }), [`${at}.handSize: 5`]);
  assert.deepEqual(errorsOf({ queues: 128, handSize: 9, queueLengthLimit: 50 }), [`${at}.handSize: 9`]);
  assert.deepEqual(errorsOf({ queues: 10_000_001, handSize: 1, queueLengthLimit: 1 }), [`${at}.queues: 10000001`]);
  assert.deepEqual(errorsOf({ queues: 8, handSize: 2, queueLengthLimit: -1 }), [`${at}.queueLengthLimit: -1`]);
  assert.deepEqual(errorsOf({ queues: -1, handSize: -2, queueLengthLimit: 1 }), [
    `${at}.queues: -1`,
    `${at}.handSize: -2`,
  ]);
});
