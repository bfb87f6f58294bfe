/** Node objects of an earlier, larger control plane in this directory: nobody plays them any more, so they go. */
import { isStatusError } from '#apimachinery/status-error.ts';
import type { ApiClient } from '#client/client.ts';
import { isSimulated, nodeResource } from './readiness.ts';
import type { ControlPlaneSpec } from './spec.ts';

const masterLabel = 'node-role.kubernetes.io/control-plane';

/** Only what `up` made itself, by label and by name; nodes that others brought stay. */
export async function removeSurplusNodes(client: ApiClient, spec: ControlPlaneSpec): Promise<void> {
  const nodes = client.resource(nodeResource);
  const { items } = await nodes.list();
  const surplus = items.filter((node) => {
    const { metadata } = node;
    const number = (prefix: string) => Number(new RegExp(`^${prefix}(\\d+)$`).exec(metadata.name ?? '')?.[1] ?? 0);
    if (isSimulated(node)) return number('node') > spec.nodes;
    return metadata.labels?.[masterLabel] !== undefined && number('master') > spec.masters.length;
  });
  await Promise.all(
    surplus.map(async ({ metadata }) => {
      try {
        await nodes.delete(metadata.name!);
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
    }),
  );
}
