import type { KindFolder } from '../../built-in-kinds.ts';
import { clusterRole, role } from './role.ts';
import { clusterRoleBinding, roleBinding } from './role-binding.ts';

export const rbacV1: KindFolder = {
  clusterrolebindings: clusterRoleBinding,
  clusterroles: clusterRole,
  rolebindings: roleBinding,
  roles: role,
};
