import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { each, type Fields } from '../../set-default.ts';
import { dnsLabel, invalidFor, oneOf, portNameErrors, portNumber } from '../../validation/values.ts';
import { validateEnv } from './env-validation.ts';
import { validateLifecycle, validateProbe } from './probe-validation.ts';
import { validateResources } from './resources-validation.ts';
import { validateContainerSecurityContext } from './security-context-validation.ts';
import { validateVolumeDevices, validateVolumeMounts } from './volume-mount-validation.ts';

export function validateContainers(spec: Fields, field: string, volumes: ReadonlySet<string>): FieldError[] {
  const containers = each(spec.containers);
  if (containers.length === 0) return [fieldError.required(field)];
  const names = new Set<string>();
  const errors = containers.flatMap((container, i) => {
    const at = `${field}[${i}]`;
    return [
      ...validateContainer(container, at, volumes),
      ...takeName(container, at, names),
      ...validateLifecycle(container, at, spec.terminationGracePeriodSeconds),
      ...validateProbe(container.livenessProbe, `${at}.livenessProbe`, 'liveness'),
      ...validateProbe(container.readinessProbe, `${at}.readinessProbe`, 'readiness'),
      ...validateProbe(container.startupProbe, `${at}.startupProbe`, 'startup'),
    ];
  });
  return [...errors, ...validateHostPortConflicts(containers, field)];
}

export function validateInitContainers(spec: Fields, field: string, volumes: ReadonlySet<string>): FieldError[] {
  const names = new Set(each(spec.containers).map((container) => container.name as string));
  return each(spec.initContainers).flatMap((container, i) => {
    const at = `${field}[${i}]`;
    const errors = [...validateContainer(container, at, volumes), ...takeName(container, at, names)];
    if (container.restartPolicy === 'Always') {
      errors.push(
        ...validateLifecycle(container, at, spec.terminationGracePeriodSeconds),
        ...validateProbe(container.livenessProbe, `${at}.livenessProbe`, 'liveness'),
        ...validateProbe(container.readinessProbe, `${at}.readinessProbe`, 'readiness'),
        ...validateProbe(container.startupProbe, `${at}.startupProbe`, 'startup'),
      );
    } else {
      for (const name of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'])
        if (container[name])
          errors.push(
            fieldError.forbidden(`${at}.${name}`, 'may not be set for init containers without restartPolicy=Always'),
          );
    }
    return errors;
  });
}

/** What makes no sense in a container that comes late and is never restarted. */
const notEphemeral = [
  'ports',
  'lifecycle',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'resizePolicy',
  'restartPolicy',
];

export function validateEphemeralContainers(spec: Fields, field: string, volumes: ReadonlySet<string>): FieldError[] {
  const others = [...each(spec.containers), ...each(spec.initContainers)].map((container) => container.name as string);
  const names = new Set(others);
  return each(spec.ephemeralContainers).flatMap((container, i) => {
    const at = `${field}[${i}]`;
    const errors = [...validateContainer(container, at, volumes), ...takeName(container, at, names)];
    const target = container.targetContainerName;
    if (target && !others.includes(target)) errors.push(fieldError.notFound(`${at}.targetContainerName`, target));
    for (const name of notEphemeral)
      if (container[name])
        errors.push(fieldError.forbidden(`${at}.${name}`, 'cannot be set for an Ephemeral Container'));
    if (container.resources?.limits || container.resources?.requests)
      errors.push(fieldError.forbidden(`${at}.resources`, 'cannot be set for an Ephemeral Container'));
    return errors;
  });
}

function validateContainer(container: Fields, field: string, volumes: ReadonlySet<string>): FieldError[] {
  return [
    ...(container.name ? dnsLabel(`${field}.name`, container.name) : [fieldError.required(`${field}.name`)]),
    ...validateImage(container.image, `${field}.image`),
    ...oneOf(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, [
      'File',
      'FallbackToLogsOnError',
    ]),
    ...validatePorts(container.ports, `${field}.ports`),
    ...validateEnv(container, field),
    ...validateVolumeMounts(container, `${field}.volumeMounts`, volumes),
    ...validateVolumeDevices(container, `${field}.volumeDevices`, volumes),
    ...oneOf(`${field}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...validateResources(container.resources, `${field}.resources`),
    ...validateContainerSecurityContext(container.securityContext, `${field}.securityContext`),
  ];
}

function takeName(container: Fields, field: string, names: Set<string>): FieldError[] {
  if (!container.name) return [];
  if (names.has(container.name)) return [fieldError.duplicate(`${field}.name`, container.name)];
  names.add(container.name);
  return [];
}

function validateImage(image: string | undefined, field: string): FieldError[] {
  if (!image) return [fieldError.required(field)];
  return image.trim() === image
    ? []
    : [fieldError.invalid(field, image, 'must not have leading or trailing whitespace')];
}

const protocols = ['SCTP', 'TCP', 'UDP'];

function validatePorts(ports: unknown, field: string): FieldError[] {
  const names = new Set<string>();
  return each(ports).flatMap((port, i) => {
    const at = `${field}[${i}]`;
    const errors: FieldError[] = [];
    if (port.name) {
      const nameErrors = portNameErrors(port.name);
      errors.push(...invalidFor(`${at}.name`, port.name, nameErrors));
      if (names.has(port.name)) errors.push(fieldError.duplicate(`${at}.name`, port.name));
      else if (nameErrors.length === 0) names.add(port.name);
    }
    if (!port.containerPort) errors.push(fieldError.required(`${at}.containerPort`));
    else errors.push(...portNumber(`${at}.containerPort`, port.containerPort));
    if (port.hostPort) errors.push(...portNumber(`${at}.hostPort`, port.hostPort));
    errors.push(...oneOf(`${at}.protocol`, port.protocol, protocols));
    return errors;
  });
}

function validateHostPortConflicts(containers: readonly Fields[], field: string): FieldError[] {
  const taken = new Set<string>();
  return containers.flatMap((container, i) =>
    each(container.ports).flatMap((port, j) => {
      if (!port.hostPort) return [];
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (taken.has(key)) return [fieldError.duplicate(`${field}[${i}].ports[${j}].hostPort`, key)];
      taken.add(key);
      return [];
    }),
  );
}
