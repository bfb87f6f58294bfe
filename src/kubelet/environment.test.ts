import assert from 'node:assert/strict';
import { test } from 'node:test';
import { invocationOf } from './environment.ts';
import { staticPod } from './testing/fixtures.ts';

test('kubelet: environment: references are expanded as Kubernetes does', () => {
  const pod = staticPod([
    {
      command: ['run', '$(A)-$(B)', '$$(A)', '$(NONE)', '$A', '$$$(A)', '$(constructor)'],
      args: ['--ip=$(IP)'],
      env: [
        { name: 'A', value: 'a' },
        { name: 'B', value: '$(A)b$(C)' },
        { name: 'C', value: 'c' },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'ME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      ],
    },
  ]);
  pod.metadata.labels = { app: 'x' };
  const { command, env } = invocationOf(pod, pod.spec.containers[0]!, '10.0.0.1');
  assert.deepEqual(command, ['run', 'a-ab$(C)', '$(A)', '$(NONE)', '$A', '$a', '$(constructor)', '--ip=10.0.0.1']);
  const { A, B, IP, ME, APP, HOSTNAME, PATH } = env;
  assert.deepEqual({ A, B, IP, ME, APP }, { A: 'a', B: 'ab$(C)', IP: '10.0.0.1', ME: 'web-m1', APP: 'x' });
  assert.equal(HOSTNAME, 'web-m1');
  assert.equal(PATH, process.env.PATH);
});

test("kubelet: environment: the kubelet's own variables stay its own", () => {
  process.env.KUBELET_TEST_SECRET = 'x';
  const pod = staticPod([{}]);
  assert.equal(invocationOf(pod, pod.spec.containers[0]!, '').env.KUBELET_TEST_SECRET, undefined);
});
