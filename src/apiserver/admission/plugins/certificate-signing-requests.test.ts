import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { organizationsOfRequest } from '#base/certificates.ts';
import type { Authorizer } from '../../request.ts';
import { attributesFor } from '../../testing/admission-attributes.ts';
import {
  certificateApproval,
  certificateSigning,
  certificateSubjectRestriction,
} from './certificate-signing-requests.ts';

const resource = 'certificatesigningrequests.certificates.k8s.io';

function csr(signerName: string, status: object = {}, request = ''): KubeObject {
  return { kind: 'CertificateSigningRequest', metadata: { name: 'c' }, spec: { signerName, request }, status } as never;
}

/** Allows these `verb name` on signers. */
function allowing(...allowed: string[]): Authorizer {
  return {
    name: 'some',
    authorize: ({ verb, resource, name }) => ({
      decision: resource === 'signers' && allowed.includes(`${verb} ${name}`) ? 'allow' : 'no-opinion',
    }),
  };
}

const update = (subresource: string, signer: string, status: object) =>
  attributesFor(resource, 'UPDATE', csr(signer, status), { subresource, oldObject: csr(signer), name: 'c' });
const approved = { conditions: [{ type: 'Approved', status: 'True' }] };

test('certificates: approval: for a signer one may approve for, or its whole domain', async () => {
  for (const right of ['approve example.com/web', 'approve example.com/*'])
    await certificateApproval(allowing(right)).validate!(update('approval', 'example.com/web', approved));
  await assert.rejects(
    async () =>
      certificateApproval(allowing('sign example.com/web')).validate!(update('approval', 'example.com/web', approved)),
    /user not permitted to approve requests with signerName "example.com\/web"/,
  );
});

test('certificates: signing: only what a signer writes needs its right', async () => {
  const plugin = certificateSigning(allowing('sign a.com/b'));
  await plugin.validate!(update('status', 'a.com/b', { certificate: 'x' }));
  await plugin.validate!(update('status', 'other.com/b', { note: 'x' }));
  await assert.rejects(
    async () => plugin.validate!(update('status', 'other.com/b', { certificate: 'x' })),
    /user not permitted to sign requests/,
  );
});

test('certificates: subject: nobody asks for a client certificate of the group that may everything', async () => {
  const groupsOf = async (text: string) => text.split(',');
  const plugin = certificateSubjectRestriction(groupsOf);
  const create = (signer: string, groups: string) =>
    plugin.validate!(attributesFor(resource, 'CREATE', csr(signer, {}, Buffer.from(groups).toString('base64'))));
  await create('kubernetes.io/kube-apiserver-client', 'dev,ops');
  await create('example.com/web', 'system:masters');
  await assert.rejects(
    async () => create('kubernetes.io/kube-apiserver-client', 'dev,system:masters'),
    /signer with system:masters group is not allowed/,
  );
  await assert.rejects(organizationsOfRequest('garbage'));
});
