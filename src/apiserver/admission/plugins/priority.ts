/** Priority: a pod's class becomes its number; at most one class is the default. */
import type { KubeObject } from '#apimachinery/object.ts';
import { apiErrors } from '#apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

export interface PriorityClasses {
  get(name: string): KubeObject | undefined;
  list(): KubeObject[];
}

export function priority(classes: PriorityClasses): AdmissionPlugin {
  return {
    name: 'Priority',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    admit(attributes) {
      const { resource, subresource, object, oldObject, operation } = attributes;
      if (resource.group !== '' || resource.resource !== 'pods' || subresource !== '' || !object?.['spec']) return;
      const spec = object['spec'];
      if (operation === 'UPDATE') {
        keep(spec, oldObject?.['spec'], 'priority');
        keep(spec, oldObject?.['spec'], 'preemptionPolicy');
        return;
      }
      const chosen = spec.priorityClassName ? byName(classes, spec.priorityClassName, attributes) : defaultOf(classes);
      if (chosen && !spec.priorityClassName) spec.priorityClassName = chosen.metadata.name;
      const value: number = chosen?.['value'] ?? 0;
      if (spec.priority !== undefined && spec.priority !== value)
        throw refused(
          attributes,
          `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
        );
      const policy: string = chosen?.['preemptionPolicy'] ?? 'PreemptLowerPriority';
      if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy)
        throw refused(
          attributes,
          `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
        );
      spec.priority = value;
      spec.preemptionPolicy = policy;
    },
    validate({ resource, object, operation }) {
      if (resource.group !== 'scheduling.k8s.io' || resource.resource !== 'priorityclasses' || !object) return;
      if (object['globalDefault'] !== true) return;
      const other = classes.list().find((c) => c['globalDefault'] === true && c.metadata.name !== object.metadata.name);
      if (other && (operation === 'CREATE' || operation === 'UPDATE'))
        throw apiErrors.forbidden(
          resource,
          object.metadata.name ?? '',
          `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`,
        );
    },
  };
}

function keep(spec: any, old: any, field: string): void {
  if (spec[field] === undefined && old?.[field] !== undefined) spec[field] = old[field];
}

function byName(classes: PriorityClasses, name: string, attributes: AdmissionAttributes): KubeObject {
  const found = classes.get(name);
  if (!found) throw refused(attributes, `no PriorityClass with name ${name} was found`);
  return found;
}

/** Among several defaults the lowest counts, as upstream decides. */
function defaultOf(classes: PriorityClasses): KubeObject | undefined {
  const defaults = classes.list().filter((c) => c['globalDefault'] === true);
  return defaults.sort((a, b) => a['value'] - b['value'])[0];
}

function refused(attributes: AdmissionAttributes, why: string) {
  return apiErrors.forbidden(attributes.resource, attributes.object?.metadata.name ?? attributes.name, why);
}
