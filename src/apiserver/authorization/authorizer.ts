/** May they: the modes of --authorization-mode in order, after the group that always may. */
import type { Authorizer, Decision } from '../request.ts';

export const authorizationModes = ['AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC'] as const;
export type AuthorizationMode = (typeof authorizationModes)[number];

const allow: Decision = Object.freeze({ decision: 'allow' }) as Decision;
const noOpinion: Decision = Object.freeze({ decision: 'no-opinion' }) as Decision;

/** Stands before every other: whoever is in this group cannot be locked out. */
export const privilegedGroup: Authorizer = {
  name: 'privileged-group',
  authorize: ({ user }) => (user.groups.includes('system:masters') ? allow : noOpinion),
};

export const alwaysAllow: Authorizer = { name: 'AlwaysAllow', authorize: () => allow };

export const alwaysDeny: Authorizer = {
  name: 'AlwaysDeny',
  authorize: () => ({ decision: 'no-opinion', reason: 'Everything is forbidden.' }),
};

/** All as one, for reviews and checks of our own: the first with an opinion decides. */
export function unionAuthorizer(authorizers: readonly Authorizer[]): Authorizer {
  return {
    name: 'union',
    async authorize(attributes): Promise<Decision> {
      const reasons: string[] = [];
      for (const authorizer of authorizers) {
        const decision = await authorizer.authorize(attributes);
        if (decision.decision !== 'no-opinion') return decision;
        if (decision.reason) reasons.push(decision.reason);
      }
      return reasons.length > 0 ? { decision: 'no-opinion', reason: reasons.join('\n') } : noOpinion;
    },
  };
}
