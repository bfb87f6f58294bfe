/**
 * What resourceVersion, resourceVersionMatch, limit and continue mean together: the tables of Kubernetes' API concepts
 * ("semantics for get and list", "semantics for watch"; KEP-2523), over HTTP. The server's cache is kept behind the
 * store here, so that each meaning has an answer of its own.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { encodeContinueToken } from '#storage/etcd3/continue-token.ts';
import type { FakeEtcd } from '#storage/testing/fake-etcd.ts';
import { eventually } from '#storage/testing/fixtures.ts';
import {
  type Answer,
  configMap,
  openSession,
  openWatch,
  startTestServer,
  type TestServer,
} from '../testing/fixtures.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const prefix = '/registry/configmaps/default/';
let server: TestServer;
let etcd: FakeEtcd;
/** Past: a, b, c, d. In the cache: b, c, d, e. In the store: c, d, e, f. */
let past = 0;
let cached = 0;
let stored = 0;

const meanings = {
  'most recent': () => ({ names: ['c', 'd', 'e', 'f'], revision: stored }),
  any: () => ({ names: ['b', 'c', 'd', 'e'], revision: cached }),
  'not older than': () => ({ names: ['b', 'c', 'd', 'e'], revision: cached }),
  exact: () => ({ names: ['a', 'b', 'c', 'd'], revision: past }),
};
type Meaning = keyof typeof meanings;

/** A server each, for one that has shown the store's state shows no older one any more. */
beforeEach(async () => {
  server = await startTestServer();
  etcd = server.etcd;
  const create = async (name: string) => {
    const made = await server.h2('POST', maps, { body: configMap(name) });
    return Number(made.body.metadata.resourceVersion);
  };
  for (const name of ['a', 'b', 'c']) await create(name);
  past = await create('d');
  await server.h2('DELETE', `${maps}/a`);
  cached = await create('e');
  await server.h2('GET', maps);
  etcd.isWatchHeld = true;
  etcd.delete(`${prefix}b`);
  stored = etcd.put(`${prefix}f`, JSON.stringify({ ...configMap('f'), metadata: { name: 'f', namespace: 'default' } }));
});
afterEach(() => server.stop());

const query = (parameters: Record<string, string | number | undefined>) =>
  new URLSearchParams(
    Object.entries(parameters).flatMap(([k, v]) => (v === undefined ? [] : [[k, String(v)]])),
  ).toString();
const invalid = (...causes: string[]) => ({ code: 422, causes });
const needsRevision = 'resourceVersionMatch is forbidden unless resourceVersion is provided';
const notZero = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
const notWithContinue = 'resourceVersionMatch is forbidden when continue is provided';

type Expected = Meaning | { code: number; causes: string[] } | { code: number; message: RegExp };
type Version = 'unset' | '0' | 'past';
/** Without a limit; with one; with the token of a page of the past. */
type Paging = 'all' | 'limit' | 'continue';
const tooMuch = { code: 400, message: /^specifying resource version is not allowed when using continue$/ };

const listTable: Record<Paging, Record<'unset' | 'Exact' | 'NotOlderThan', Record<Version, Expected>>> = {
  all: {
    unset: { unset: 'most recent', 0: 'any', past: 'not older than' },
    Exact: { unset: invalid(needsRevision), 0: invalid(notZero), past: 'exact' },
    NotOlderThan: { unset: invalid(needsRevision), 0: 'any', past: 'not older than' },
  },
  limit: {
    unset: { unset: 'most recent', 0: 'any', past: 'exact' },
    Exact: { unset: invalid(needsRevision), 0: invalid(notZero), past: 'exact' },
    NotOlderThan: { unset: invalid(needsRevision), 0: 'any', past: 'not older than' },
  },
  continue: {
    unset: { unset: 'exact', 0: 'exact', past: tooMuch },
    Exact: {
      unset: invalid(needsRevision, notWithContinue),
      0: invalid(notWithContinue, notZero),
      past: invalid(notWithContinue),
    },
    NotOlderThan: {
      unset: invalid(needsRevision, notWithContinue),
      0: invalid(notWithContinue),
      past: invalid(notWithContinue),
    },
  },
};

const namesOf = (answer: Answer): string[] => answer.body.items.map((i: any) => i.metadata.name);

function refused(answer: Answer, expected: { code: number; causes?: string[]; message?: RegExp }, what: string): void {
  const { status, body } = answer;
  assert.equal(status, expected.code, `${what}: ${answer.text}`);
  assert.equal(body.kind, 'Status', what);
  if (expected.message) {
    assert.match(body.message, expected.message, what);
    return;
  }
  assert.equal(body.reason, 'Invalid', what);
  assert.deepEqual(
    body.details.causes.map((c: any) => c.message.replace(/^Forbidden: /, '')),
    expected.causes,
    what,
  );
  assert.match(body.message, /^ListOptions\.meta\.k8s\.io "" is invalid: /, what);
}

test('list: resourceVersion, match, limit and continue: every combination means what upstream says', async () => {
  const token = encodeContinueToken({ revision: past, startKey: `${prefix}b\0` }, prefix);
  const rows = Object.entries(listTable).flatMap(([paging, byMatch]) =>
    Object.entries(byMatch).flatMap(([match, byVersion]) =>
      Object.entries(byVersion).map(([version, expected]) => ({ paging, match, version, expected })),
    ),
  );
  assert.equal(rows.length, 27);
  await Promise.all(
    rows.map(async ({ paging, match, version, expected }) => {
      const what = `${paging}, match ${match}, resourceVersion ${version}`;
      const parameters = {
        limit: paging === 'all' ? undefined : 2,
        continue: paging === 'continue' ? token : undefined,
        resourceVersionMatch: match === 'unset' ? undefined : match,
        resourceVersion: { unset: undefined, 0: 0, past }[version as Version],
      };
      const answer = await server.h2('GET', `${maps}?${query(parameters)}`);
      if (typeof expected === 'object') return refused(answer, expected, what);
      const { names, revision } = meanings[expected]();
      const page = paging === 'all' ? names : paging === 'limit' ? names.slice(0, 2) : names.slice(2);
      assert.deepEqual(namesOf(answer), page, what);
      assert.equal(answer.body.metadata.resourceVersion, String(revision), what);
      assert.equal(answer.body.metadata.remainingItemCount, paging === 'limit' ? 2 : undefined, what);
      if (paging !== 'limit') return;
      // Whatever a list began with, its pages are of that one state.
      const next = await server.h2('GET', `${maps}?${query({ continue: answer.body.metadata.continue })}`);
      assert.deepEqual(namesOf(next), names.slice(2), what);
      assert.equal(next.body.metadata.resourceVersion, String(revision), what);
    }),
  );
});

test('list: what no table allows', async () => {
  const unsupported = ['Unsupported value: "Sometimes": supported values: "Exact", "NotOlderThan", ""'];
  const cases: [Record<string, string | number>, { code: number; causes?: string[]; message?: RegExp }][] = [
    [
      { resourceVersionMatch: 'Sometimes', resourceVersion: 5 },
      { code: 422, causes: unsupported },
    ],
    [{ resourceVersion: 'x' }, { code: 400, message: /^invalid resource version: .*parsing "x": invalid syntax$/ }],
    [{ resourceVersion: -1 }, { code: 400, message: /^invalid resource version: .*parsing "-1": invalid syntax$/ }],
    [{ limit: 'x' }, { code: 400, message: /^strconv\.ParseInt: parsing "x": invalid syntax$/ }],
    [{ sendInitialEvents: 'true' }, { code: 422, causes: ['sendInitialEvents is forbidden for list'] }],
    [
      { continue: 'e30' },
      { code: 400, message: /^invalid continue token: .*does not recognize this encoded version $/ },
    ],
  ];
  for (const [parameters, expected] of cases) {
    refused(await server.h2('GET', `${maps}?${query(parameters)}`), expected, JSON.stringify(parameters));
  }
});

test('list: of a revision still to come: Timeout with the cause that clients look for, whatever the match', async () => {
  const future = stored + 100;
  const asked = [{}, { limit: 2 }, { resourceVersionMatch: 'Exact' }, { resourceVersionMatch: 'NotOlderThan' }];
  await Promise.all(
    asked.map(async (parameters) => {
      const answer = await server.h2('GET', `${maps}?${query({ ...parameters, resourceVersion: future })}`);
      assert.equal(answer.status, 504, answer.text);
      assert.match(answer.body.message, new RegExp(`^Timeout: Too large resource version: ${future}, current: \\d+$`));
      assert.equal(answer.body.details.causes[0].reason, 'ResourceVersionTooLarge');
      assert.equal(answer.headers['retry-after'], '1');
    }),
  );
});

test('list: of one object by its name: pages and their revisions mean nothing to it', async () => {
  const one = { fieldSelector: 'metadata.name=c' };
  const token = encodeContinueToken({ revision: past, startKey: `${prefix}d\0` }, prefix);
  const of = async (parameters: Record<string, string | number>) => {
    const answer = await server.h2('GET', `${maps}?${query({ ...one, ...parameters })}`);
    return [namesOf(answer), answer.body.metadata.resourceVersion];
  };
  assert.deepEqual(await of({ resourceVersion: past, limit: 1 }), [['c'], String(cached)]);
  assert.deepEqual(await of({ resourceVersion: past, resourceVersionMatch: 'Exact' }), [['c'], String(past)]);
  assert.deepEqual(await of({ continue: token }), [['c'], String(stored)]);
});

test('get: resourceVersion: most recent, any, not older than', async () => {
  const get = async (name: string, version?: number | string) =>
    (await server.h2('GET', `${maps}/${name}${version === undefined ? '' : `?resourceVersion=${version}`}`)).status;
  const all = (...asked: [string, (number | string)?][]) =>
    Promise.all(asked.map(([name, version]) => get(name, version)));
  const future = all(['c', stored + 100], ['c', 'x']);
  assert.deepEqual(await all(['f', 0], ['b', 0]), [404, 200]);
  assert.deepEqual(await all(['f', past], ['b', past], ['a', past]), [404, 200, 404]);
  assert.deepEqual(await all(['f'], ['b']), [200, 404]);
  assert.deepEqual(await all(['f', 0], ['b', 0]), [200, 404], 'nobody is shown less than was shown already');
  assert.deepEqual(await future, [504, 500]);
});

test('watch: match and sendInitialEvents: what upstream refuses', async () => {
  const needsMatch = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
  const needsInitial = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
  const unsupported = 'Unsupported value: "Exact": supported values: "NotOlderThan"';
  const cases: [Record<string, string>, string[]][] = [
    [{ sendInitialEvents: 'true' }, [needsMatch]],
    [{ sendInitialEvents: 'false' }, [needsMatch]],
    [{ sendInitialEvents: 'true', resourceVersionMatch: 'Exact' }, [needsMatch, unsupported]],
    [{ resourceVersionMatch: 'NotOlderThan' }, [needsInitial]],
    [{ resourceVersionMatch: 'Exact' }, [needsInitial, unsupported]],
    [
      { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan', continue: 'x' },
      ['resourceVersionMatch is forbidden when continue is provided'],
    ],
  ];
  for (const [parameters, causes] of cases) {
    const answer = await server.h2('GET', `${maps}?${query({ watch: 'true', ...parameters })}`);
    refused(answer, invalid(...causes), JSON.stringify(parameters));
  }
});

test('watch: resourceVersion: from any state, from the most recent, from just after', async (t) => {
  const session = openSession(server.port);
  t.after(() => session.destroy());
  const events = async (parameters: Record<string, string | number>, count: number) => {
    const watch = openWatch(session, `${maps}?${query({ watch: 'true', timeoutSeconds: 20, ...parameters })}`);
    t.after(() => watch.close());
    await eventually(() => watch.events.length >= count, `${count} events of ${JSON.stringify(parameters)}`);
    return watch.events.map((e) => `${e.type} ${e.object.metadata.name ?? e.object.metadata.resourceVersion}`);
  };
  const state = { resourceVersionMatch: 'NotOlderThan', sendInitialEvents: 'true', allowWatchBookmarks: 'true' };
  const old = ['ADDED b', 'ADDED c', 'ADDED d', 'ADDED e'];
  assert.deepEqual(await events({ resourceVersion: 0 }, 4), old);
  assert.deepEqual(await events({ ...state, resourceVersion: 0 }, 5), [...old, `BOOKMARK ${cached}`]);
  assert.deepEqual(await events({ ...state, resourceVersion: past }, 5), [...old, `BOOKMARK ${cached}`]);
  assert.deepEqual(await events({ resourceVersion: past }, 2), ['DELETED a', 'ADDED e']);
  const stateless = { resourceVersionMatch: 'NotOlderThan', sendInitialEvents: 'false' };
  assert.deepEqual(await events({ ...stateless, resourceVersion: past }, 2), ['DELETED a', 'ADDED e']);
  const recent = events({}, 4);
  const recentState = events({ ...state }, 5);
  etcd.releaseWatch();
  const now = ['ADDED c', 'ADDED d', 'ADDED e', 'ADDED f'];
  assert.deepEqual(await recent, now);
  assert.deepEqual(await recentState, [...now, `BOOKMARK ${stored}`]);
});
