import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Pod, podKey } from '../api-objects.ts';
import { newPodInfo } from '../framework/pod-info.ts';
import { testNode, testPod } from '../testing/fixtures.ts';
import { SchedulerCache } from './scheduler-cache.ts';

test('scheduler: cache: assumed: counts at once, is confirmed where the informer says, or forgotten', () => {
  const cache = new SchedulerCache();
  cache.setNode(testNode('n1'));
  cache.setNode(testNode('n2'));
  const pod = testPod('a', { requests: { cpu: '1' } });
  cache.assume(newPodInfo(pod), 'n1');
  assert.equal(cache.node('n1')!.requested.milliCpu, 1000);
  assert.equal(cache.isAssumed('default/a'), true);
  // Somebody else bound it elsewhere.
  cache.setPod({ ...pod, spec: { ...pod.spec, nodeName: 'n2' } });
  assert.equal(cache.node('n1')!.requested.milliCpu, 0);
  assert.equal(cache.node('n2')!.requested.milliCpu, 1000);
  cache.forget('default/a');
  assert.equal(cache.node('n2')!.requested.milliCpu, 1000, 'confirmed: not to be forgotten');
  cache.assume(newPodInfo(testPod('b', { requests: { cpu: '1' } })), 'n1');
  cache.forget('default/b');
  assert.equal(cache.node('n1')!.requested.milliCpu, 0);
});

test('scheduler: cache: a node that goes: is no choice, and its pods are there when it comes again', () => {
  const cache = new SchedulerCache();
  cache.setPod(testPod('early', { nodeName: 'n1', requests: { cpu: '1' } }));
  assert.equal(cache.nodes.length, 0);
  cache.setNode(testNode('n1'));
  assert.equal(cache.node('n1')!.requested.milliCpu, 1000);
  cache.removeNode('n1');
  assert.equal(cache.node('n1'), undefined);
  cache.setNode(testNode('n1'));
  assert.equal(cache.node('n1')!.requested.milliCpu, 1000);
});

test('scheduler: cache: any history: the sums are those of the pods that are there', () => {
  const pod = (name: string, node: string, milli: number, port: number): Pod =>
    testPod(name, {
      nodeName: node,
      containers: [
        {
          name: 'c',
          resources: { requests: { cpu: `${milli}m`, memory: '1Mi', 'x/y': '2' } },
          ...(port && { ports: [{ containerPort: 1, hostPort: port }] }),
        },
      ],
    });
  const arbitraryPod = fc
    .tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('n1', 'n2'), fc.nat(999), fc.nat(2))
    .map((args) => pod(...args));
  const step = fc.tuple(fc.constantFrom('set', 'assume', 'forget', 'remove'), arbitraryPod);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const cache = new SchedulerCache();
      for (const name of ['n1', 'n2']) cache.setNode(testNode(name));
      const model = new Map<string, { pod: Pod; isAssumed: boolean }>();
      for (const [what, p] of steps) {
        const key = podKey(p);
        if (what === 'set') {
          cache.setPod(p);
          model.set(key, { pod: p, isAssumed: false });
        } else if (what === 'assume') {
          cache.assume(newPodInfo(p), p.spec.nodeName!);
          model.set(key, { pod: p, isAssumed: true });
        } else if (what === 'forget') {
          cache.forget(key);
          if (model.get(key)?.isAssumed) model.delete(key);
        } else {
          cache.removePod(key);
          model.delete(key);
        }
      }
      for (const name of ['n1', 'n2']) {
        const there = [...model.values()].map((m) => newPodInfo(m.pod)).filter((i) => i.pod.spec.nodeName === name);
        const node = cache.node(name)!;
        assert.deepEqual([...node.pods.keys()].sort(), there.map((i) => podKey(i.pod)).sort());
        assert.equal(
          node.requested.milliCpu,
          there.reduce((sum, i) => sum + i.requests.milliCpu, 0),
        );
        assert.equal(node.requested.scalar?.get('x/y') ?? 0, there.length * 2);
        assert.equal(node.usedPorts.length, there.filter((i) => i.hostPorts.length > 0).length);
      }
    }),
  );
});
