/** Auth of a store without users: it is off, lists are empty, and what would make users or roles is refused. */
import type { Auth } from '#etcd/rpc.ts';
import type { Store } from '../store.ts';
import { errors } from '../store-error.ts';
import type { HeaderOf, Unary } from './grpc-service.ts';

export function authService(store: Store, headerOf: HeaderOf): { [K in keyof typeof Auth]: Unary<(typeof Auth)[K]> } {
  const header = () => headerOf(store.revision);
  const refuse = (error: () => Error) => () => {
    throw error();
  };
  const noUser = refuse(errors.userNotFound);
  const noRole = refuse(errors.roleNotFound);
  return {
    authStatus: () => ({ header: header(), enabled: false, authRevision: 1n }),
    authDisable: () => ({ header: header() }),
    authEnable: refuse(errors.rootUserNotExist),
    authenticate: refuse(errors.authNotEnabled),
    userList: () => ({ header: header(), users: [] }),
    roleList: () => ({ header: header(), roles: [] }),
    userAdd: refuse(errors.noUsers),
    roleAdd: refuse(errors.noUsers),
    userGet: noUser,
    userDelete: noUser,
    userChangePassword: noUser,
    userGrantRole: noUser,
    userRevokeRole: noUser,
    roleGet: noRole,
    roleDelete: noRole,
    roleGrantPermission: noRole,
    roleRevokePermission: noRole,
  };
}
