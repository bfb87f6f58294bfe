import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import type { KubeObject } from '#apimachinery/object.ts';
import { FakeClock } from '#base/testing/fake-clock.ts';
import type { ApiRequest } from '../request.ts';
import { parseJwt, signingKey, signJwt } from '../tokens/jwt.ts';
import { parseSigningKey, parseVerificationKeys } from '../tokens/service-account-keys.ts';
import { createTokenRequest } from '../tokens/token-request.ts';
import type { AnonymousAccess } from './authentication-config.ts';
import { createAuthenticator } from './authenticator.ts';
import { bootstrapTokens } from './bootstrap-token.ts';
import { type CoreObjectGetter, serviceAccountTokens } from './service-account.ts';
import { authenticateToken } from './token-authenticator.ts';
import { parseTokenFile, tokenFile } from './token-file.ts';

const audience = 'https://kubernetes.default.svc';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

function core(objects: Record<string, KubeObject>): CoreObjectGetter {
  return (resource, namespace, name) => objects[`${resource}/${namespace}/${name}`];
}
function object(kind: string, name: string, uid: string, more: object = {}): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name, uid }, ...more };
}
function fixture(privateKey = rsa.privateKey) {
  const clock = new FakeClock();
  const objects: Record<string, KubeObject> = {
    'serviceaccounts/ns/sa': object('ServiceAccount', 'sa', 'u1'),
    'pods/ns/p': object('Pod', 'p', 'u2', { spec: { serviceAccountName: 'sa', nodeName: 'n' } }),
    'nodes//n': object('Node', 'n', 'u3'),
  };
  const key = signingKey(privateKey);
  const get = core(objects);
  const request = createTokenRequest({
    key,
    issuer: audience,
    apiAudiences: [audience],
    maxExpirationSeconds: 0,
    extendExpiration: true,
    get,
    clock,
    randomUuid: () => 'id-1',
  });
  const authenticator = serviceAccountTokens({ keys: [key], issuers: [audience], lookup: true, get, clock });
  const issue = async (spec: object, name = 'sa') => {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec };
    return request({ info: { namespace: 'ns', name } } as ApiRequest, body);
  };
  return { clock, objects, key, authenticator, issue };
}

for (const [name, pair] of [
  ['RS256', rsa],
  ['ES256', ec],
] as const)
  test(`tokens: service accounts: ${name} tokens go round`, async () => {
    const { authenticator, issue } = fixture(pair.privateKey);
    const { status } = await issue({});
    assert.equal(parseJwt(status.token)!.header.alg, name);
    const result = await authenticator.authenticateToken(status.token, [audience]);
    assert.deepEqual(result, {
      user: {
        name: 'system:serviceaccount:ns:sa',
        uid: 'u1',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:ns'],
        extra: { 'authentication.kubernetes.io/credential-id': ['JTI=id-1'] },
      },
      audiences: [audience],
    });
  });

test('tokens: service accounts: bound to a pod, they die with it', async () => {
  const { authenticator, issue, objects } = fixture();
  const { status } = await issue({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' } });
  const result = await authenticator.authenticateToken(status.token, [audience]);
  assert.deepEqual(result!.user.extra!['authentication.kubernetes.io/pod-name'], ['p']);
  assert.deepEqual(result!.user.extra!['authentication.kubernetes.io/node-name'], ['n']);
  objects['pods/ns/p'] = object('Pod', 'p', 'another');
  await assert.rejects(async () => authenticator.authenticateToken(status.token, [audience]), /another one/);
  delete objects['pods/ns/p'];
  await assert.rejects(
    async () => authenticator.authenticateToken(status.token, [audience]),
    /pod ns\/p does not exist/,
  );
});

test('tokens: service accounts: expiry, audience, account and signature are checked', async () => {
  const { authenticator, issue, objects, clock, key } = fixture();
  const { status } = await issue({ audiences: ['other'], expirationSeconds: 600 });
  await assert.rejects(
    async () => authenticator.authenticateToken(status.token, [audience]),
    /token audiences \["other"\] is invalid for the target audiences \["https:\/\/kubernetes.default.svc"\]/,
  );
  assert.ok(await authenticator.authenticateToken(status.token, ['other']));
  await clock.advance(700_000);
  await assert.rejects(async () => authenticator.authenticateToken(status.token, ['other']), /expired/);

  const fresh = (await issue({})).status.token as string;
  const claims = parseJwt(fresh)!.claims;
  const forged = `${(await signJwt(key, { ...claims, sub: 'x' }))
    .split('.')
    .slice(0, 2)
    .join('.')}.${fresh.split('.')[2]}`;
  await assert.rejects(async () => authenticator.authenticateToken(forged, [audience]), /signature/);
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${fresh.split('.')[1]}.`;
  await assert.rejects(async () => authenticator.authenticateToken(unsigned, [audience]), /signature/);
  assert.equal(
    await authenticator.authenticateToken(await signJwt(key, { ...claims, iss: 'else' }), [audience]),
    undefined,
  );
  delete objects['serviceaccounts/ns/sa'];
  await assert.rejects(
    async () => authenticator.authenticateToken(fresh, [audience]),
    /service account ns\/sa does not exist/,
  );
});

test('tokens: forged: no algorithm, no key and no claim of the forger is believed', async () => {
  const { authenticator, issue, key } = fixture();
  const { status } = await issue({});
  const { header, claims } = parseJwt(status.token)!;
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = (head: object, body: object, make: (text: string) => Buffer) => {
    const text = `${part(head)}.${part(body)}`;
    return `${text}.${make(text).toString('base64url')}`;
  };
  const by = (privateKey: KeyObject) => (text: string) => sign('sha256', Buffer.from(text), privateKey);
  const publicPem = key.publicKey.export({ type: 'spki', format: 'pem' });
  const forged = {
    'alg none': signed({ alg: 'none' }, claims, () => Buffer.alloc(0)),
    'the public key as a secret': signed({ ...header, alg: 'HS256' }, claims, (text) =>
      createHmac('sha256', publicPem).update(text).digest(),
    ),
    'a key of its own': signed(header, claims, by(other.privateKey)),
    'a key in the header': signed(
      { ...header, jwk: other.publicKey.export({ format: 'jwk' }) },
      claims,
      by(other.privateKey),
    ),
    'another kid': signed({ ...header, kid: '../../dev/null' }, claims, by(other.privateKey)),
    'claims changed after signing': status.token.replace(/\.[^.]+\./, `.${part({ ...claims, sub: 'root' })}.`),
    'no expiry': signed(header, { ...claims, exp: undefined }, by(rsa.privateKey)),
    'junk where the account should be': signed(header, { ...claims, 'kubernetes.io': 'x' }, by(rsa.privateKey)),
  };
  for (const [what, token] of Object.entries(forged))
    await assert.rejects(async () => authenticator.authenticateToken(token, [audience]), Error, what);
});

test('tokens: requests: refused with what is wrong', async () => {
  const { issue } = fixture();
  await assert.rejects(issue({ expirationSeconds: 60 }), /may not specify a duration less than 10 minutes/);
  await assert.rejects(issue({}, 'zz'), /serviceaccounts "zz" not found/);
  await assert.rejects(
    issue({ boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'zz' } }),
    /secrets "zz" not found/,
  );
});

test('tokens: keys: public, private and certificate forms give the same id', () => {
  const privatePem = rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
  const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const [fromPrivate, fromPublic] = parseVerificationKeys(privatePem + publicPem);
  assert.equal(fromPrivate!.id, fromPublic!.id);
  assert.equal(parseSigningKey(privatePem).id, fromPublic!.id);
  assert.throws(() => parseVerificationKeys('nothing'), /no PEM key/);
  assert.throws(() => parseSigningKey(publicPem), /no private key/);
});

test('tokens: file: columns, quotes and comments', () => {
  const users = parseTokenFile('# c\n\nt1,jane,u1,"a,b"\nt2,joe,u2\r\n');
  assert.deepEqual(users.get('t1'), { name: 'jane', uid: 'u1', groups: ['a', 'b'] });
  assert.deepEqual(users.get('t2'), { name: 'joe', uid: 'u2', groups: [] });
  assert.throws(() => parseTokenFile('t1,jane'), /line 1/);
});

test('tokens: review: every reason is told', async () => {
  const { authenticator, issue } = fixture();
  const file = tokenFile('t,jane,u', [audience]);
  const good = await authenticateToken([file, authenticator], 't', [audience]);
  assert.deepEqual(good.user.groups, ['system:authenticated']);
  await assert.rejects(
    async () => authenticateToken([file, authenticator], 'nonsense', [audience]),
    /^Error: invalid bearer token$/,
  );
  const other = (await issue({ audiences: ['other'] })).status.token;
  await assert.rejects(
    async () => authenticateToken([file, authenticator], other, [audience]),
    /^Error: \[invalid bearer token, token audiences/,
  );
});

test('tokens: bootstrap: only unexpired secrets of the right type', async () => {
  const clock = new FakeClock();
  const b64 = (text: string) => Buffer.from(text).toString('base64');
  const secret = object('Secret', 'bootstrap-token-abcdef', 'u', {
    type: 'bootstrap.kubernetes.io/token',
    data: {
      'token-id': b64('abcdef'),
      'token-secret': b64('0123456789abcdef'),
      'usage-bootstrap-authentication': b64('true'),
      'auth-extra-groups': b64('system:bootstrappers:x,evil'),
      expiration: b64(new Date(clock.now() + 60_000).toISOString()),
    },
  });
  const tokens = bootstrapTokens(core({ 'secrets/kube-system/bootstrap-token-abcdef': secret }), clock);
  const result = await tokens.authenticateToken('abcdef.0123456789abcdef', ['a']);
  assert.deepEqual(result!.user, {
    name: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:x'],
  });
  assert.equal(await tokens.authenticateToken('abcdef.0123456789abcdeX', ['a']), undefined);
  assert.equal(await tokens.authenticateToken('abcdef.0123456789abcdee', ['a']), undefined);
  await clock.advance(61_000);
  assert.equal(await tokens.authenticateToken('abcdef.0123456789abcdef', ['a']), undefined);
});

test('authentication: order: certificate, token, anonymous', async () => {
  const make = (anonymous: AnonymousAccess) =>
    createAuthenticator({
      tokenAuthenticators: [tokenFile('t,jane,u', [audience])],
      apiAudiences: [audience],
      anonymous,
    });
  const ask = async (anonymous: AnonymousAccess, request: object) =>
    make(anonymous).authenticate({ headers: {}, url: { pathname: '/livez' }, ...request } as ApiRequest);
  const bearer = (token: string) => ({ headers: { authorization: token } });
  const peerCertificate = { commonName: 'cert', organizations: ['o'] };
  assert.deepEqual(await ask(true, { ...bearer('Bearer t'), peerCertificate }), {
    name: 'cert',
    groups: ['o', 'system:authenticated'],
  });
  assert.equal((await ask(true, bearer('bearer t')))!.name, 'jane');
  assert.equal((await ask(true, bearer('Bearer ')))!.name, 'system:anonymous');
  assert.equal((await ask(true, bearer('Basic eA==')))!.name, 'system:anonymous');
  await assert.rejects(ask(true, bearer('Bearer no')), /Unauthorized/);
  await assert.rejects(ask(false, {}), /Unauthorized/);
  assert.equal((await ask(new Set(['/livez']), {}))!.name, 'system:anonymous');
  await assert.rejects(ask(new Set(['/readyz']), {}), /Unauthorized/);
});
