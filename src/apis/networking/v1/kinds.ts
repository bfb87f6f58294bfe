import type { KindFolder } from '../../built-in-kinds.ts';
import { ingress } from './ingress.ts';
import { ingressClass } from './ingress-class.ts';
import { ipAddress } from './ip-address.ts';
import { networkPolicy } from './network-policy.ts';
import { serviceCidr } from './service-cidr.ts';

export const networkingV1: KindFolder = {
  ingressclasses: ingressClass,
  ingresses: ingress,
  ipaddresses: ipAddress,
  networkpolicies: networkPolicy,
  servicecidrs: serviceCidr,
};
