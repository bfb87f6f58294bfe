import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { attributesFor, pod } from '../../testing/admission-attributes.ts';
import { runtimeClass } from './runtime-class.ts';

const sandboxed = {
  apiVersion: 'node.k8s.io/v1',
  kind: 'RuntimeClass',
  metadata: { name: 'sandboxed' },
  overhead: { podFixed: { cpu: '250m' } },
  scheduling: { nodeSelector: { kernel: 'new' }, tolerations: [{ key: 'sandbox', operator: 'Exists' }] },
} as unknown as KubeObject;
const plugin = runtimeClass((name) => (name === 'sandboxed' ? sandboxed : undefined));

async function admitted(spec: Record<string, unknown>): Promise<any> {
  const object = pod(spec);
  await plugin.admit!(attributesFor('pods', 'CREATE', object));
  return object['spec'];
}

test('runtime class: its overhead, nodes and tolerations become the pod’s', async () => {
  const spec = await admitted({ runtimeClassName: 'sandboxed', nodeSelector: { disk: 'fast' } });
  assert.deepEqual(spec.overhead, { cpu: '250m' });
  assert.deepEqual(spec.nodeSelector, { disk: 'fast', kernel: 'new' });
  assert.deepEqual(spec.tolerations, [{ key: 'sandbox', operator: 'Exists' }]);
  assert.equal((await admitted({})).overhead, undefined);
});

test('runtime class: one that is not there, or that the pod contradicts, is refused', async () => {
  await assert.rejects(admitted({ runtimeClassName: 'nosuch' }), /pod rejected: RuntimeClass "nosuch" not found/);
  await assert.rejects(admitted({ runtimeClassName: 'sandboxed', nodeSelector: { kernel: 'old' } }), /conflict/);
  await assert.rejects(admitted({ runtimeClassName: 'sandboxed', overhead: { cpu: '1' } }), /doesn't match/);
  await assert.rejects(admitted({ overhead: { cpu: '1' } }), /without corresponding RuntimeClass/);
});
