/** --token-auth-file: lines of `token,user,uid,"group1,group2"`, as upstream's static token file. */
import { hash } from 'node:crypto';
import type { UserInfo } from '../request.ts';
import { type TokenAuthenticator, withAuthenticated } from './token-authenticator.ts';

export function tokenFile(text: string, apiAudiences: readonly string[]): TokenAuthenticator {
  // By digest: how long a look-up takes then tells nothing of how much of a guess was right.
  const users = new Map<string, UserInfo>();
  for (const [token, user] of parseTokenFile(text)) users.set(digest(token), withAuthenticated(user));
  return {
    name: 'token-file',
    authenticateToken(token, audiences) {
      const user = users.get(digest(token));
      return user && { user, audiences: apiAudiences.filter((a) => audiences.includes(a)) };
    },
  };
}

function digest(token: string): string {
  return hash('sha256', token, 'base64');
}

/** Throws an Error that names the line for one with fewer than three columns. Empty lines and `#` comments are skipped. */
export function parseTokenFile(text: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [token = '', name = '', uid, groups = ''] = parseCsvLine(line);
    if (uid === undefined || token === '')
      throw new Error(`line ${i + 1} has not the columns token,user,uid[,"group1,group2"]`);
    users.set(token, {
      name,
      ...(uid === '' ? {} : { uid }),
      groups: groups
        .split(',')
        .map((g) => g.trim())
        .filter((g) => g !== ''),
    });
  }
  return users;
}

function parseCsvLine(line: string): string[] {
  const fields: string[] = [];
  let field = '';
  let isQuoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (isQuoted) {
      if (c !== '"') field += c;
      else if (line[i + 1] === '"') field += line[++i];
      else isQuoted = false;
    } else if (c === '"') isQuoted = true;
    else if (c === ',') {
      fields.push(field.trim());
      field = '';
    } else field += c;
  }
  fields.push(field.trim());
  return fields;
}
