import type { KindFolder } from '../../built-in-kinds.ts';
import { mutatingAdmissionPolicy, validatingAdmissionPolicy } from './admission-policy.ts';
import { mutatingAdmissionPolicyBinding, validatingAdmissionPolicyBinding } from './admission-policy-binding.ts';
import { mutatingWebhookConfiguration, validatingWebhookConfiguration } from './webhook-configuration.ts';

export const admissionregistrationV1: KindFolder = {
  mutatingadmissionpolicies: mutatingAdmissionPolicy,
  mutatingadmissionpolicybindings: mutatingAdmissionPolicyBinding,
  mutatingwebhookconfigurations: mutatingWebhookConfiguration,
  validatingadmissionpolicies: validatingAdmissionPolicy,
  validatingadmissionpolicybindings: validatingAdmissionPolicyBinding,
  validatingwebhookconfigurations: validatingWebhookConfiguration,
};
