/** Every active namespace has a ServiceAccount `default`. */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { objectKey } from '#client/informer.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { isNamespaceTerminating } from '../namespace-terminating.ts';
import { resources } from '../resources.ts';

const name = 'default';

export function serviceAccountController(context: ControllerContext): Controller {
  const { client, informers } = context;
  const namespaces = informers.informer(resources.namespaces);
  const accounts = informers.informer(resources.serviceaccounts);
  const queue = context.newQueue('serviceaccount');
  const enqueue = (namespace: KubeObject) => queue.add(objectKey(namespace));
  namespaces.addHandler({ added: enqueue, updated: enqueue });
  accounts.addHandler({
    deleted: (account) => {
      if (account.metadata.name === name) queue.add(account.metadata.namespace!);
    },
  });

  async function sync(key: string): Promise<void> {
    const namespace = namespaces.get(key);
    if (!namespace || namespace['status']?.phase === 'Terminating' || accounts.get(`${key}/${name}`)) return;
    try {
      await client.resource(resources.serviceaccounts, key).create({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name, namespace: key },
      });
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
    }
  }

  return {
    name: 'serviceaccount-controller',
    async run(signal) {
      await cachesSynced(signal, namespaces, accounts);
      await queue.process(context.options.concurrentSyncs, sync, signal);
    },
  };
}
