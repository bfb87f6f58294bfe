/** A Lease in kube-system for every API server that runs, so that one can be told from another. */
import { createHash, randomUUID } from 'node:crypto';
import type { KubeObject } from '#apimachinery/object.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { withIdentity } from './ensure-objects.ts';

const leaseDurationSeconds = 3600;
const renewIntervalMs = 10_000;

export interface IdentityLease {
  readonly name: string;
  acquire(): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
}

export function createIdentityLease(
  registry: Registry,
  hostname: string,
  advertise: string,
  clock: Clock,
  log: Logger,
): IdentityLease {
  const name = `apiserver-${identityHash([hostname, 'kube-apiserver', advertise])}`;
  const holderIdentity = `${name}_${randomUUID()}`;
  const leases = registry.resource('coordination.k8s.io', 'leases');

  const renew = async () => {
    if (!leases) return;
    const renewTime = `${new Date(clock.now()).toISOString().slice(0, -1)}000Z`;
    const spec = { holderIdentity, leaseDurationSeconds, renewTime };
    await leases.storage.guaranteedUpdate(leases.key('kube-system', name), (current) => {
      if (current) return { ...current, spec };
      const fresh: KubeObject = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: {
          name,
          namespace: 'kube-system',
          labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver', 'kubernetes.io/hostname': hostname },
          annotations: { 'kubernetes.io/peer-advertise-address': advertise },
        },
        spec,
      };
      return withIdentity(fresh, clock);
    });
  };
  return {
    name,
    acquire: renew,
    async run(signal) {
      while (!signal.aborted) {
        await sleep(clock, renewIntervalMs, signal);
        if (signal.aborted) break;
        await renew().catch((error) => log.warn({ error: String(error) }, 'the identity lease could not be renewed'));
      }
    },
  };
}

/**
 * 26 characters of lower-case base32 from length-prefixed parts, as upstream's. The advertised address is a part of its
 * own here, because several masters may live on one host.
 */
function identityHash(parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(Buffer.byteLength(part));
    hash.update(length).update(part);
  }
  return base32(hash.digest().subarray(0, 16));
}

function base32(bytes: Buffer): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  const characters = Math.ceil((bytes.length * 8) / 5);
  bits <<= BigInt(characters * 5 - bytes.length * 8);
  let text = '';
  for (let i = characters - 1; i >= 0; i--) text += alphabet[Number((bits >> BigInt(i * 5)) & 31n)];
  return text;
}
