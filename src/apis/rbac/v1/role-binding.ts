import { type FieldError, fieldError } from '#apimachinery/field-error.ts';
import { pathSegmentErrors } from '#apimachinery/names.ts';
import type { KubeObject } from '#apimachinery/object.ts';
import type { KindModule } from '../../built-in-kinds.ts';
import type { Strategy } from '../../kind.ts';
import { each, ensure, type Fields, setDefault } from '../../set-default.ts';
import { ageOf } from '../../table-cells.ts';
import { semanticEqual } from '../../validation/immutable.ts';
import { dnsSubdomain, invalidFor, oneOf } from '../../validation/values.ts';

export const roleBinding: KindModule = { definition: { setDefaults }, strategy: strategyFor(['Role', 'ClusterRole']) };
export const clusterRoleBinding: KindModule = { definition: { setDefaults }, strategy: strategyFor(['ClusterRole']) };

const rbacGroup = 'rbac.authorization.k8s.io';

function setDefaults(object: KubeObject): void {
  setDefault(ensure(object, 'roleRef'), 'apiGroup', rbacGroup);
  for (const subject of each(object.subjects))
    if (subject.kind === 'User' || subject.kind === 'Group') setDefault(subject, 'apiGroup', rbacGroup);
}

function strategyFor(roleKinds: readonly string[]): Strategy {
  const validate = (object: KubeObject) => validateBinding(object, roleKinds);
  return {
    allowCreateOnUpdate: true,
    validate,
    validateUpdate(object, old) {
      const errors = validate(object);
      if (!semanticEqual(object.roleRef, old.roleRef))
        errors.push(fieldError.invalid('roleRef', shownRoleRef(object.roleRef), 'cannot change roleRef'));
      return errors;
    },
    tableRow(object, now) {
      const subjects = each(object.subjects);
      const named = (kind: string) => subjects.filter((s) => s.kind === kind).map((s) => s.name);
      const accounts = subjects.filter((s) => s.kind === 'ServiceAccount').map((s) => `${s.namespace}/${s.name}`);
      return [
        object.metadata.name ?? '',
        `${object.roleRef?.kind}/${object.roleRef?.name}`,
        ageOf(object, now),
        named('User').join(', '),
        named('Group').join(', '),
        accounts.join(', '),
      ];
    },
  };
}

function shownRoleRef({ apiGroup = '', kind = '', name = '' }: Fields): Fields {
  return { APIGroup: apiGroup, Kind: kind, Name: name };
}

function validateBinding(object: KubeObject, roleKinds: readonly string[]): FieldError[] {
  const { apiGroup = '', kind = '', name = '' } = object.roleRef ?? {};
  const errors = oneOf('roleRef.apiGroup', apiGroup, [rbacGroup]);
  errors.push(...oneOf('roleRef.kind', kind, roleKinds));
  if (!name) errors.push(fieldError.required('roleRef.name'));
  else errors.push(...invalidFor('roleRef.name', name, pathSegmentErrors(name)));
  const namespaced = roleKinds.includes('Role');
  return [
    ...errors,
    ...each(object.subjects).flatMap((subject, i) => validateSubject(subject, `subjects[${i}]`, namespaced)),
  ];
}

function validateSubject(
  { kind = '', name = '', apiGroup = '', namespace = '' }: Fields,
  field: string,
  namespaced: boolean,
): FieldError[] {
  const errors = name ? [] : [fieldError.required(`${field}.name`)];
  switch (kind) {
    case 'ServiceAccount':
      if (name) errors.push(...dnsSubdomain(`${field}.name`, name));
      if (apiGroup) errors.push(fieldError.notSupported(`${field}.apiGroup`, apiGroup, ['']));
      if (!namespaced && !namespace) errors.push(fieldError.required(`${field}.namespace`));
      break;
    case 'User':
    case 'Group':
      errors.push(...oneOf(`${field}.apiGroup`, apiGroup, [rbacGroup]));
      break;
    default:
      errors.push(fieldError.notSupported(`${field}.kind`, kind, ['Group', 'ServiceAccount', 'User']));
  }
  return errors;
}
