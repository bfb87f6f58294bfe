import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { reconcileFlowObject } from './configuration.ts';

const autoUpdate = 'apf.kubernetes.io/autoupdate-spec';
const level = (name: string, shares: number, annotation?: string): KubeObject => ({
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'PriorityLevelConfiguration',
  metadata: { name, generation: 3, ...(annotation ? { annotations: { [autoUpdate]: annotation } } : {}) },
  spec: { type: 'Limited', limited: { nominalConcurrencyShares: shares } },
});

test('flow configuration: upkeep: what is as it should be is not written', () => {
  assert.equal(reconcileFlowObject(level('system', 30, 'true'), level('system', 30, 'true')), undefined);
});

test('flow configuration: upkeep: an edit is undone while autoupdate is on', () => {
  const kept = reconcileFlowObject(level('system', 99, 'true'), level('system', 30, 'true'))!;
  assert.equal(kept['spec'].limited.nominalConcurrencyShares, 30);
  assert.equal(kept.metadata['generation'], 4);
});

test('flow configuration: upkeep: an administrator’s own, autoupdate off, is left alone', () => {
  assert.equal(reconcileFlowObject(level('system', 99, 'false'), level('system', 30, 'true')), undefined);
});

test('flow configuration: upkeep: the mandatory two are never anybody’s own', () => {
  const kept = reconcileFlowObject(level('catch-all', 99, 'false'), level('catch-all', 5, 'true'))!;
  assert.equal(kept['spec'].limited.nominalConcurrencyShares, 5);
  assert.equal(kept.metadata.annotations![autoUpdate], 'true');
});
