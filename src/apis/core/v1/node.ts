import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import { each, type Fields } from '../../set-default.ts';
import { ageOf, none, unknown } from '../../table-cells.ts';
import { cidr } from '../../validation/ip.ts';
import { oneOf, qualifiedName } from '../../validation/values.ts';
import { taintEffects } from './pod-scheduling-validation.ts';

export const node: KindModule = {
  definition: {
    /** A kubelet that reserves nothing allocates all it has. */
    setDefaults({ status }) {
      if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
    },
  },
  strategy: {
    keepsStatusAtCreation: true,
    prepareForCreate(object) {
      object.spec ??= {};
    },
    validate,
    validateUpdate,
    selectableFields: ({ spec }) => ({ 'spec.unschedulable': String(spec?.unschedulable ?? false) }),
    tableRow: (object, now) => {
      const { status = {} } = object;
      const info = status.nodeInfo ?? {};
      return [
        object.metadata.name ?? '',
        statusCell(object),
        rolesCell(object.metadata.labels),
        ageOf(object, now),
        info.kubeletVersion ?? '',
        addressOf(status, 'InternalIP'),
        addressOf(status, 'ExternalIP'),
        info.osImage || unknown,
        info.kernelVersion || unknown,
        info.containerRuntimeVersion || unknown,
      ];
    },
  },
};

function validate({ spec = {} }: KubeObject): FieldError[] {
  const seen = new Set<string>();
  const errors = each(spec.taints).flatMap((taint, i) => {
    // Upstream looks for taints in metadata here, where they once were.
    const at = `metadata.taints[${i}]`;
    const { key = '', value = '', effect = '', timeAdded = null } = taint;
    const found = [...qualifiedName(`${at}.key`, key), ...oneOf(`${at}.effect`, effect, taintEffects)];
    const pair = `${key}:${effect}`;
    if (seen.has(pair)) {
      const shown = JSON.stringify({ Key: key, Value: value, Effect: effect, TimeAdded: timeAdded });
      found.push({
        type: 'FieldValueDuplicate',
        field: at,
        message: `Duplicate value: ${shown}: taints must be unique by key and effect pair`,
      });
    }
    seen.add(pair);
    return found;
  });
  const cidrs: string[] = spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : []);
  return [...errors, ...cidrs.flatMap((text, i) => cidr(`spec.podCIDRs[${i}]`, text))];
}

function validateUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  const errors = validate(object);
  const { podCIDRs: before, providerID } = old.spec ?? {};
  const { podCIDRs: cidrs } = object.spec ?? {};
  if (before?.length && JSON.stringify(cidrs) !== JSON.stringify(before))
    errors.push(fieldError.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
  if (providerID && object.spec?.providerID !== providerID)
    errors.push(
      fieldError.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'),
    );
  return errors;
}

function statusCell({ spec, status }: KubeObject): string {
  const ready = each(status?.conditions).find((condition) => condition.type === 'Ready');
  const text = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec?.unschedulable ? `${text},SchedulingDisabled` : text;
}

const rolePrefix = 'node-role.kubernetes.io/';

function rolesCell(labels: Record<string, string> = {}): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return [...roles].sort().join(',') || none;
}

function addressOf(status: Fields, type: string): string {
  return each(status.addresses).find((address) => address.type === type)?.address ?? none;
}
