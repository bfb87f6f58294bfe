/** Every active namespace has a ConfigMap `kube-root-ca.crt`, by which pods know the API servers. */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { objectKey } from '#client/informer.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { resources } from '../resources.ts';

const name = 'kube-root-ca.crt';
const dataKey = 'ca.crt';
const annotations = {
  'kubernetes.io/description':
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
    const wanted = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: key, annotations },
      data: { [dataKey]: ca },
    };
    try {
      if (!current) await api.create(wanted);
      else if (JSON.stringify(current['data']) !== JSON.stringify(wanted.data)) {
        await api.update({ ...current, data: wanted.data });
      }
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists') && !isStatusError(error, 'Forbidden')) throw error;
    }
  }

  return {
    name: 'root-ca-certificate-publisher-controller',
    run: (signal) => queue.process(context.options.concurrentSyncs, sync, signal),
  };
}
