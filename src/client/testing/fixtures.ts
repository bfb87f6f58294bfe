/** What the room's tests need: names of resources, small objects, and waiting for a condition. */
import type { KubeObject } from '#apimachinery/object.ts';

export const podsResource = { group: '', version: 'v1', resource: 'pods' };

export function pod(name: string, more: Partial<KubeObject> = {}): KubeObject {
  const { metadata, ...rest } = more;
  return { apiVersion: 'v1', kind: 'Pod', spec: {}, ...rest, metadata: { name, namespace: 'default', ...metadata } };
}

/** Polls, because what is waited for has no event of its own; fails after 10 s. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A repeatable source of chance (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
