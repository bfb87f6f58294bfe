import type { KubeObject } from '#apimachinery/object.ts';
import type { Informer } from '#client/informer.ts';

type Syncing = Pick<Informer<KubeObject>, 'whenSynced'>;

/**
 * The copies are complete. A controller that counts what it owns must not begin before: it would see nothing and make
 * everything a second time. Resolves too when the signal aborts.
 */
export async function cachesSynced(signal: AbortSignal, ...informers: readonly Syncing[]): Promise<void> {
  await Promise.all(informers.map((informer) => informer.whenSynced(signal)));
}
