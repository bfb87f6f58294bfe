/** Bootstrap tokens (`abcdef.0123456789abcdef`): secrets of a type of their own in kube-system, for kubeadm join. */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '#base/clock.ts';
import type { CoreObjectGetter } from './service-account.ts';
import type { TokenAuthenticator } from './token-authenticator.ts';

export function bootstrapTokens(get: CoreObjectGetter, clock: Clock): TokenAuthenticator {
  return {
    name: 'bootstrap-token',
    async authenticateToken(token, audiences) {
      const match = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token);
      if (!match) return undefined;
      const [, id, secret] = match as unknown as [string, string, string];
      const object = await get('secrets', 'kube-system', `bootstrap-token-${id}`);
      if (object?.['type'] !== 'bootstrap.kubernetes.io/token' || object.metadata.deletionTimestamp) return undefined;
      const field = (name: string) => Buffer.from(object['data']?.[name] ?? '', 'base64').toString();
      const stored = Buffer.from(field('token-secret'));
      const isSame = stored.length === secret.length && timingSafeEqual(stored, Buffer.from(secret));
      if (!isSame || field('token-id') !== id || field('usage-bootstrap-authentication') !== 'true') return undefined;
      const expiration = field('expiration');
      if (expiration !== '' && !(Date.parse(expiration) > clock.now())) return undefined;
      const groups = field('auth-extra-groups')
        .split(',')
        .map((g) => g.trim())
        .filter((g) => g.startsWith('system:bootstrappers:'));
      return {
        user: { name: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...groups] },
        audiences: [...audiences],
      };
    },
  };
}
