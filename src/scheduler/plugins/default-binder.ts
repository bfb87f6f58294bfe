import type { ApiClient } from '#client/client.ts';
import { podsResource } from '../api-objects.ts';
import type { Plugin } from '../framework/plugin.ts';

/** Binds through pods/binding: the server refuses a pod that is gone, was made anew (uid) or is bound already. */
export function defaultBinder(client: ApiClient): Plugin {
  return {
    name: 'DefaultBinder',
    async bind(_state, { pod }, nodeName) {
      const { namespace, name, uid } = pod.metadata;
      await client.resource(podsResource, namespace).subresource('POST', name!, 'binding', {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { namespace, name, uid },
        target: { kind: 'Node', name: nodeName },
      });
      return undefined;
    },
  };
}
