/**
 * How the members of the store are, by their own HTTP pages: a gRPC client would stay in `up`'s memory as long as it runs.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { DataDir } from './data-dir.ts';
import { poll, type WaitOptions } from './readiness.ts';
import { type EtcdStoreSpec, majorityOf, type StoreMember } from './store-spec.ts';

/** `no quorum`: its process answers, but it does not see a majority. */
export type MemberState = 'leads' | 'follows' | 'no quorum' | 'away';

const timeoutMs = 2_000;

export function stateOfMembers(dir: DataDir, store: EtcdStoreSpec, clock: Clock): Promise<MemberState[]> {
  const file = (name: string) => readFileSync(join(dir.pki, 'etcd', name));
  const tls = { ca: file('ca.crt'), cert: file('healthcheck-client.crt'), key: file('healthcheck-client.key') };
  return Promise.all(store.members.map((member) => stateOf(member, tls, clock)));
}

/** Resolves with the states of the moment at which a majority was well for the first time. */
export async function waitForQuorum(dir: DataDir, store: EtcdStoreSpec, wait: WaitOptions): Promise<MemberState[]> {
  return poll('etcd has no quorum', wait, async () => {
    const states = await stateOfMembers(dir, store, wait.clock);
    const well = states.filter((state) => state === 'leads' || state === 'follows').length;
    return well >= majorityOf(states.length) && states.includes('leads') ? states : undefined;
  });
}

interface Tls {
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

async function stateOf(member: StoreMember, tls: Tls, clock: Clock): Promise<MemberState> {
  const [health, metrics] = await Promise.all([
    get(member, '/health', tls, clock),
    get(member, '/metrics', tls, clock),
  ]);
  if (health === undefined || metrics === undefined) return 'away';
  if (!/"health":\s*"true"/.test(health)) return 'no quorum';
  return /^etcd_server_is_leader 1$/m.test(metrics) ? 'leads' : 'follows';
}

/** The body, whatever the status; undefined when there is no answer. */
function get({ address, clientPort }: StoreMember, path: string, tls: Tls, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const req = request({ host: address, port: clientPort, path, ...tls, agent: false }, (res) => {
      res.setEncoding('utf8');
      res.on('data', (piece: string) => {
        text += piece;
      });
      res.on('end', () => settle(text));
      res.on('error', () => settle(undefined));
    });
    const timer = clock.setTimer(timeoutMs, () => req.destroy(new Error('timed out')));
    const settle = (answer: string | undefined) => {
      timer.cancel();
      resolve(answer);
    };
    req.on('error', () => settle(undefined));
    req.end();
  });
}
