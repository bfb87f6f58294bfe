import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { isRunning, signalProcess, startTimeOf } from './process-identity.ts';

test('process identity: a process: runs until it ends, and is not its successor', async () => {
  const child = spawn('sleep', ['60']);
  const identity = { pid: child.pid!, startTime: startTimeOf(child.pid!)! };
  assert.ok(isRunning(identity));
  assert.equal(isRunning({ ...identity, startTime: `${identity.startTime}1` }), process.platform !== 'linux');
  signalProcess(identity, 'SIGKILL');
  await once(child, 'exit');
  assert.equal(isRunning(identity), false);
  signalProcess(identity, 'SIGKILL');
});

test('process identity: no such process: no start time, not running', () => {
  assert.equal(startTimeOf(2 ** 22 + 1), undefined);
  assert.equal(isRunning({ pid: process.pid, startTime: '' }), false);
});
