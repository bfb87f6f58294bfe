import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, ensure, setDefault } from '../../set-default.ts';

export const service: KindModule = {
  definition: { setDefaults },
};

const clientIpTimeoutSeconds = 10_800;

function setDefaults(object: KubeObject): void {
  const spec = ensure(object, 'spec');
  setDefault(spec, 'sessionAffinity', 'None');
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    const clientIp = ensure(ensure(spec, 'sessionAffinityConfig'), 'clientIP');
    setDefault(clientIp, 'timeoutSeconds', clientIpTimeoutSeconds);
  }
  setDefault(spec, 'type', 'ClusterIP');
  for (const port of each(spec.ports)) {
    setDefault(port, 'protocol', 'TCP');
    if (!port.targetPort) port.targetPort = port.port;
  }
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  if (external || spec.externalIPs?.length) setDefault(spec, 'externalTrafficPolicy', 'Cluster');
  if (spec.type === 'LoadBalancer') setDefault(spec, 'allocateLoadBalancerNodePorts', true);
  if (spec.type !== 'ExternalName') setDefault(spec, 'internalTrafficPolicy', 'Cluster');
}
