/** Every active namespace has a ConfigMap `kube-root-ca.crt`, by which pods know the API servers. */
import { deepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { objectKey } from '#client/informer.ts';
import { cachesSynced } from '../cache-sync.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { isNamespaceTerminating } from '../namespace-terminating.ts';
import { resources } from '../resources.ts';

const name = 'kube-root-ca.crt';
const dataKey = 'ca.crt';
const descriptionKey = 'kubernetes.io/description';
const annotations = {
  [descriptionKey]:
    'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
};

export function rootCaPublisher(context: ControllerContext): Controller {
  const { client, informers } = context;
  const ca = context.options.rootCaPem;
  const namespaces = informers.informer(resources.namespaces);
  const configMaps = informers.informer(resources.configmaps, { fieldSelector: `metadata.name=${name}` });
  const queue = context.newQueue('root_ca_cert_publisher');
  const enqueue = (namespace: KubeObject) => queue.add(objectKey(namespace));
  const enqueueNamespaceOf = (configMap: KubeObject) => queue.add(configMap.metadata.namespace!);
  namespaces.addHandler({ added: enqueue, updated: enqueue });
  configMaps.addHandler({ updated: enqueueNamespaceOf, deleted: enqueueNamespaceOf });

  async function sync(key: string): Promise<void> {
    const namespace = namespaces.get(key);
    if (!ca || !namespace || namespace['status']?.phase === 'Terminating') return;
    const api = client.resource(resources.configmaps, key);
    const current = configMaps.get(`${key}/${name}`);
    const data = { [dataKey]: ca };
    try {
      if (!current) {
        const metadata = { name, namespace: key, annotations };
        await api.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
      } else if (!deepEqual(current['data'], data) || !current.metadata.annotations?.[descriptionKey]) {
        const metadata = { ...current.metadata, annotations: { ...current.metadata.annotations, ...annotations } };
        await api.update({ ...current, metadata, data });
      }
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
    }
  }

  return {
    name: 'root-ca-certificate-publisher-controller',
    async run(signal) {
      await cachesSynced(signal, namespaces, configMaps);
      await queue.process(context.options.concurrentSyncs, sync, signal);
    },
  };
}
