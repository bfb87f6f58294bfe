import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { each, type Fields } from '../../set-default.ts';
import { inRange, oneOf } from '../../validation/values.ts';

const idMax = 2_147_483_647;
const sysctlMax = 253;
const sysctlPattern = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';
const sysctl = new RegExp(sysctlPattern);

export function validatePodSecurityContext(context: Fields, field: string): FieldError[] {
  if (!context) return [];
  return [
    ...validateId(context, field, 'fsGroup'),
    ...((context.supplementalGroups ?? []) as number[]).flatMap((id, i) =>
      inRange(`${field}.supplementalGroups[${i}]`, id, 0, idMax),
    ),
    ...validateId(context, field, 'runAsUser'),
    ...validateId(context, field, 'runAsGroup'),
    ...validateSysctls(context.sysctls, `${field}.sysctls`),
    ...oneOf(`${field}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['OnRootMismatch', 'Always']),
    ...validateSeccomp(context.seccompProfile, `${field}.seccompProfile`),
  ];
}

export function validateContainerSecurityContext(context: Fields, field: string): FieldError[] {
  if (!context) return [];
  const errors = [
    ...validateId(context, field, 'runAsUser'),
    ...validateId(context, field, 'runAsGroup'),
    ...oneOf(`${field}.procMount`, context.procMount, ['Default', 'Unmasked']),
    ...validateSeccomp(context.seccompProfile, `${field}.seccompProfile`),
  ];
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged)
      errors.push(
        contextError(field, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'),
      );
    if (
      ((context.capabilities?.add ?? []) as string[]).some((name) => name === 'CAP_SYS_ADMIN' || name === 'SYS_ADMIN')
    )
      errors.push(
        contextError(
          field,
          context,
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        ),
      );
  }
  return errors;
}

/** Upstream shows the whole context, by the names of its Go fields. */
function contextError(field: string, context: Fields, detail: string): FieldError {
  const shown = {
    Capabilities: context.capabilities ?? null,
    Privileged: context.privileged ?? null,
    SELinuxOptions: context.seLinuxOptions ?? null,
    WindowsOptions: context.windowsOptions ?? null,
    RunAsUser: context.runAsUser ?? null,
    RunAsGroup: context.runAsGroup ?? null,
    RunAsNonRoot: context.runAsNonRoot ?? null,
    ReadOnlyRootFilesystem: context.readOnlyRootFilesystem ?? null,
    AllowPrivilegeEscalation: context.allowPrivilegeEscalation ?? null,
    ProcMount: context.procMount ?? null,
    SeccompProfile: context.seccompProfile ?? null,
    AppArmorProfile: context.appArmorProfile ?? null,
  };
  return fieldError.invalid(field, shown, detail);
}

function validateId(context: Fields, field: string, name: string): FieldError[] {
  return inRange(`${field}.${name}`, context[name] ?? undefined, 0, idMax);
}

function validateSysctls(sysctls: unknown, field: string): FieldError[] {
  const names = new Set<string>();
  return each(sysctls).flatMap(({ name = '' }, i) => {
    const at = `${field}[${i}].name`;
    const errors: FieldError[] = [];
    if (!name) errors.push(fieldError.required(at));
    else if (name.length > sysctlMax || !sysctl.test(name))
      errors.push(
        fieldError.invalid(at, name, `must have at most ${sysctlMax} characters and match regex ${sysctlPattern}`),
      );
    else if (names.has(name)) errors.push(fieldError.duplicate(at, name));
    names.add(name);
    return errors;
  });
}

function validateSeccomp(profile: Fields, field: string): FieldError[] {
  if (!profile) return [];
  if (!profile.type) return [fieldError.required(`${field}.type`, 'type is required when seccompProfile is set')];
  const errors = oneOf(`${field}.type`, profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined']);
  if (profile.type === 'Localhost' && !profile.localhostProfile)
    errors.push(fieldError.required(`${field}.localhostProfile`, 'must be set when seccomp type is Localhost'));
  else if (profile.type !== 'Localhost' && profile.localhostProfile)
    errors.push(
      fieldError.invalid(
        `${field}.localhostProfile`,
        profile.localhostProfile,
        'can only be set when seccomp type is Localhost',
      ),
    );
  return errors;
}
