/** Of etcd's Auth service, what a server without users has to say; requests are not looked into. */
import { ResponseHeader } from './key-value.ts';
import { bool, message, nested, repeated, string, unsignedId } from './wire.ts';

const header = nested(1, () => ResponseHeader);

export const AuthRequest = message({});
export const AuthResponse = message({ header });
export const AuthStatusResponse = message({ header, enabled: bool(2), authRevision: unsignedId(3) });
export const UserListResponse = message({ header, users: repeated(string(2)) });
export const RoleListResponse = message({ header, roles: repeated(string(2)) });
