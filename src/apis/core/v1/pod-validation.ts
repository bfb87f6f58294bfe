/** What a PodSpec must be, for pods and pod templates alike. The order of the checks is the order of the answers. */
import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { each, type Fields } from '../../set-default.ts';
import { ipAddress } from '../../validation/ip.ts';
import { validateLabels } from '../../validation/label-selector.ts';
import { dnsLabel, dnsSubdomain, inRange, oneOf, qualifiedName } from '../../validation/values.ts';
import { validateContainers, validateEphemeralContainers, validateInitContainers } from './container-validation.ts';
import { allContainers } from './pod-defaults.ts';
import { validateAffinity, validateTolerations, validateTopologySpread } from './pod-scheduling-validation.ts';
import { validatePodSecurityContext } from './security-context-validation.ts';
import { validateVolumes } from './volume-validation.ts';

export function validatePodSpec(spec: Fields, field: string): FieldError[] {
  const volumes = validateVolumes(spec.volumes, `${field}.volumes`);
  const volumeNames = new Set(each(spec.volumes).map((volume) => volume.name as string));
  return [
    ...volumes,
    ...validateContainers(spec, `${field}.containers`, volumeNames),
    ...validateInitContainers(spec, `${field}.initContainers`, volumeNames),
    ...validateEphemeralContainers(spec, `${field}.ephemeralContainers`, volumeNames),
    ...oneOf(`${field}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']),
    ...oneOf(`${field}.dnsPolicy`, spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    ...validateLabels(spec.nodeSelector, `${field}.nodeSelector`),
    ...validateHostPorts(spec, field),
    ...validatePodSecurityContext(spec.securityContext, `${field}.securityContext`),
    ...validateAffinity(spec.affinity, `${field}.affinity`),
    ...validateDns(spec, field),
    ...validateGates(spec, field),
    ...validateTopologySpread(spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`),
    ...(spec.serviceAccountName ? dnsSubdomain(`${field}.serviceAccountName`, spec.serviceAccountName) : []),
    ...(spec.nodeName ? dnsSubdomain(`${field}.nodeName`, spec.nodeName) : []),
    ...inRange(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds ?? undefined, 1, 2_147_483_647),
    ...(spec.hostname ? dnsLabel(`${field}.hostname`, spec.hostname) : []),
    ...(spec.subdomain ? dnsLabel(`${field}.subdomain`, spec.subdomain) : []),
    ...validateTolerations(spec.tolerations, `${field}.tolerations`),
    ...validateHostAliases(spec.hostAliases, `${field}.hostAliases`),
    ...(spec.priorityClassName ? dnsSubdomain(`${field}.priorityClassName`, spec.priorityClassName) : []),
    ...(spec.runtimeClassName ? dnsSubdomain(`${field}.runtimeClassName`, spec.runtimeClassName) : []),
    ...oneOf(`${field}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']),
  ];
}

/** A workload's `spec.template`. */
export function validatePodTemplate(template: Fields, field: string): FieldError[] {
  const errors = [
    ...validateLabels(template?.metadata?.labels, `${field}.labels`),
    ...validatePodSpec(template?.spec ?? {}, `${field}.spec`),
  ];
  if (each(template?.spec?.ephemeralContainers).length > 0)
    errors.push(
      fieldError.forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'),
    );
  return errors;
}

function validateHostPorts(spec: Fields, field: string): FieldError[] {
  if (!spec.hostNetwork) return [];
  return each(spec.containers).flatMap((container, i) =>
    each(container.ports).flatMap((port, j) =>
      port.hostPort === port.containerPort
        ? []
        : [
            fieldError.invalid(
              `${field}.containers[${i}].ports[${j}].hostPort`,
              port.hostPort ?? 0,
              'must match `containerPort` when `hostNetwork` is true',
            ),
          ],
    ),
  );
}

const nameserversMax = 3;

function validateDns(spec: Fields, field: string): FieldError[] {
  const config = spec.dnsConfig;
  if (spec.dnsPolicy === 'None') {
    if (!config)
      return [fieldError.required(`${field}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None')];
    if (!config.nameservers?.length)
      return [
        fieldError.required(
          `${field}.dnsConfig.nameservers`,
          'must provide at least one DNS nameserver when `dnsPolicy` is None',
        ),
      ];
  }
  const nameservers: string[] = config?.nameservers ?? [];
  const errors = nameservers.flatMap((ip, i) => ipAddress(`${field}.dnsConfig.nameservers[${i}]`, ip));
  if (nameservers.length > nameserversMax)
    errors.push(
      fieldError.invalid(
        `${field}.dnsConfig.nameservers`,
        nameservers,
        `must not have more than ${nameserversMax} nameservers`,
      ),
    );
  return errors;
}

function validateGates(spec: Fields, field: string): FieldError[] {
  const seen = new Set<string>();
  return [
    ...each(spec.readinessGates).flatMap((gate, i) =>
      qualifiedName(`${field}.readinessGates[${i}].conditionType`, gate.conditionType ?? ''),
    ),
    ...each(spec.schedulingGates).flatMap((gate, i) => {
      const at = `${field}.schedulingGates[${i}]`;
      const errors = qualifiedName(at, gate.name ?? '');
      if (seen.has(gate.name)) errors.push(fieldError.duplicate(at, gate.name));
      seen.add(gate.name);
      return errors;
    }),
  ];
}

function validateHostAliases(aliases: unknown, field: string): FieldError[] {
  return each(aliases).flatMap((alias, i) => [
    ...ipAddress(`${field}[${i}].ip`, alias.ip ?? ''),
    ...((alias.hostnames ?? []) as string[]).flatMap((name, j) => dnsSubdomain(`${field}[${i}].hostnames[${j}]`, name)),
  ]);
}

/** Texts that a client should read though the pod is accepted. */
export function podSpecWarnings(spec: Fields, field: string): string[] {
  const warnings: string[] = [];
  each(spec?.topologySpreadConstraints).forEach((constraint, i) => {
    if (!constraint.labelSelector)
      warnings.push(
        `${field}.topologySpreadConstraints[${i}].labelSelector: a null labelSelector results in matching no pod`,
      );
  });
  each(spec?.volumes).forEach((volume, i) => {
    for (const [source, text] of deprecatedVolumes)
      if (volume[source]) warnings.push(`${field}.volumes[${i}].${source}: ${text}`);
  });
  const names = new Set<string>();
  for (const container of allContainers(spec)) {
    for (const [i, env] of each(container.env).entries()) {
      const key = `${container.name}/${env.name}`;
      if (names.has(key))
        warnings.push(
          `${field}.containers[${each(spec.containers).indexOf(container)}].env[${i}]: hides previous definition of "${env.name}", which may be dropped when using apply`,
        );
      names.add(key);
    }
  }
  return warnings;
}

const deprecatedVolumes: [source: string, text: string][] = [
  ['gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];
