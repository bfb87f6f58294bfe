/**
 * Three guards of certificates.k8s.io: who approves or signs for a signer needs its `approve` or `sign`
 * (CertificateApproval, CertificateSigning), and nobody is given a client certificate of the group that may everything
 * (CertificateSubjectRestriction).
 */

import { deepEqual } from '#apimachinery/deep-equal.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { Authorizer } from '../../request.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

const group = 'certificates.k8s.io';
const privilegedGroup = 'system:masters';
const clientSigner = 'kubernetes.io/kube-apiserver-client';

export function certificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return guard('CertificateApproval', 'UPDATE', 'approval', (attributes) =>
    mustBeAllowed(authorizer, attributes, 'approve'),
  );
}

export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return guard('CertificateSigning', 'UPDATE', 'status', async (attributes) => {
    const [now, before] = [attributes.object?.['status'] ?? {}, attributes.oldObject?.['status'] ?? {}];
    // Others may tend to the status otherwise.
    if (now.certificate === before.certificate && deepEqual(now.conditions ?? [], before.conditions ?? [])) return;
    await mustBeAllowed(authorizer, attributes, 'sign');
  });
}

/** `groupsOf` reads the organizations of a PEM request; it throws for one that cannot be read. */
export function certificateSubjectRestriction(groupsOf: (pem: string) => Promise<string[]>): AdmissionPlugin {
  return guard('CertificateSubjectRestriction', 'CREATE', '', async ({ object, resource, name }) => {
    const { signerName, request = '' } = object?.['spec'] ?? {};
    if (signerName !== clientSigner) return;
    const groups = await groupsOf(Buffer.from(request, 'base64').toString()).catch((cause: Error) => {
      throw apiErrors.forbidden(resource, name, `unable to parse CSR: ${cause.message}`);
    });
    if (!groups.includes(privilegedGroup)) return;
    const why = `use of ${clientSigner} signer with ${privilegedGroup} group is not allowed`;
    throw apiErrors.forbidden(resource, name, why);
  });
}

function guard(
  name: string,
  operation: 'CREATE' | 'UPDATE',
  subresource: string,
  validate: (attributes: AdmissionAttributes) => Promise<void>,
): AdmissionPlugin {
  return {
    name,
    handles: (o) => o === operation,
    async validate(attributes) {
      const { resource } = attributes;
      if (resource.group !== group || resource.resource !== 'certificatesigningrequests') return;
      if (attributes.subresource === subresource) await validate(attributes);
    },
  };
}

/** For the signer by name, or for all of its domain: `example.com/*`. */
async function mustBeAllowed(authorizer: Authorizer, attributes: AdmissionAttributes, verb: string): Promise<void> {
  const signer = (attributes.oldObject as KubeObject)['spec']?.signerName ?? '';
  for (const name of [signer, `${signer.split('/')[0]}/*`]) {
    const { decision } = await authorizer.authorize({
      user: attributes.user,
      verb,
      resourceRequest: true,
      group,
      version: '*',
      resource: 'signers',
      subresource: '',
      namespace: '',
      name,
      path: '',
    });
    if (decision === 'allow') return;
  }
  const why = `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`;
  throw apiErrors.forbidden(attributes.resource, attributes.name, why);
}
