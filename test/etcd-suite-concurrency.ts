/** The lock and election services, on etcd's key layout, so that they mix with client libraries' own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '#etcd/etcd-error.ts';
import { Auth, Election, Health, KV, Lock } from '#etcd/rpc.ts';
import { type EtcdSuiteContext, etcdFailure, prefixEnd, text } from './etcd-suite.ts';

export function concurrencySuite(context: EtcdSuiteContext): void {
  const name = () => text(context.prefix().slice(0, -1));
  const lease = async () => (await context.client.leaseGrant({ ttl: 60 })).id;
  const keyOf = (owner: Buffer, id: bigint) => `${owner}/${id.toString(16)}`;
  const keys = async (owner: Buffer) => {
    const { kvs } = await context.client.range({ key: text(`${owner}/`), rangeEnd: prefixEnd(`${owner}/`) });
    return kvs.map((kv) => kv.key.toString());
  };
  /** Until the contender has made its key. */
  const entered = async (owner: Buffer, count: number) => {
    const until = Date.now() + 10_000;
    while ((await keys(owner)).length < count) assert.ok(Date.now() < until, 'it did not enter');
  };

  test('lock: one holder at a time, in the order of their keys', async () => {
    const { raw } = context;
    const lock = name();
    const ids = [await lease(), await lease(), await lease()];
    const held: number[] = [];
    const first = await raw.ask(Lock.lock, { name: lock, lease: ids[0]! });
    assert.equal(first.key.toString(), keyOf(lock, ids[0]!));
    const rest: Promise<Buffer>[] = [];
    for (const i of [1, 2]) {
      rest.push(
        raw.ask(Lock.lock, { name: lock, lease: ids[i]! }).then(({ key }) => {
          held.push(i);
          return key;
        }),
      );
      await entered(lock, i + 1);
    }
    const again = await raw.ask(Lock.lock, { name: lock, lease: ids[0]! });
    assert.deepEqual(again.key, first.key, 'who holds it has it');
    assert.deepEqual(held, []);
    const { kvs } = await context.client.range({ key: first.key });
    assert.deepEqual([kvs[0]!.lease, kvs[0]!.value.length], [ids[0], 0]);
    await raw.ask(Lock.unlock, { key: first.key });
    const second = await rest[0]!;
    assert.deepEqual(held, [1]);
    // A lease that ends lets go as well.
    await context.client.leaseRevoke(ids[1]!);
    const third = await rest[1]!;
    assert.deepEqual([second, third].map(String), [keyOf(lock, ids[1]!), keyOf(lock, ids[2]!)]);
    const { header } = await raw.ask(Lock.unlock, { key: third });
    assert.ok(header!.revision > 0);
    assert.deepEqual(await keys(lock), []);
  });

  test('lock: without a lease: one is granted', async () => {
    const { raw, client } = context;
    const lock = name();
    const { key } = await raw.ask(Lock.lock, { name: lock });
    const { kvs } = await client.range({ key });
    assert.equal(key.toString(), keyOf(lock, kvs[0]!.lease));
    const ttl = await client.leaseTimeToLive({ id: kvs[0]!.lease });
    assert.equal(ttl.grantedTtl, 60);
    await raw.ask(Lock.unlock, { key });
  });

  test('lock: who gives up waiting leaves the queue', async () => {
    const { raw } = context;
    const lock = name();
    const holder = await raw.ask(Lock.lock, { name: lock, lease: await lease() });
    const abort = new AbortController();
    const waiting = raw.ask(Lock.lock, { name: lock, lease: await lease() }, abort.signal);
    await entered(lock, 2);
    abort.abort();
    await assert.rejects(waiting, etcdFailure(Code.CANCELLED, /.*/));
    const until = Date.now() + 10_000;
    while ((await keys(lock)).length > 1) assert.ok(Date.now() < until, 'its key stayed');
    assert.deepEqual(await keys(lock), [holder.key.toString()]);
    await raw.ask(Lock.unlock, { key: holder.key });
  });

  test('lock: refused: a lease nobody granted, no key to unlock', async () => {
    const { raw } = context;
    const unknown = etcdFailure(Code.UNKNOWN, 'etcdserver: requested lease not found');
    await assert.rejects(raw.ask(Lock.lock, { name: name(), lease: 4711n }), unknown);
    await assert.rejects(raw.ask(Lock.unlock, {}), etcdFailure(Code.UNKNOWN, 'etcdserver: key is not provided'));
    assert.ok((await raw.ask(Lock.unlock, { key: name() })).header);
  });

  test('election: campaign, proclaim, resign: the next in line leads', async () => {
    const { raw } = context;
    const election = name();
    const [one, other] = [await lease(), await lease()];
    await assert.rejects(
      raw.ask(Election.leader, { name: election }),
      etcdFailure(Code.UNKNOWN, 'election: no leader'),
    );
    const { leader } = await raw.ask(Election.campaign, { name: election, lease: one, value: text('a') });
    assert.deepEqual(
      [leader!.name, leader!.key, leader!.lease].map(String),
      [election, keyOf(election, one), one].map(String),
    );
    const { kvs } = await context.client.range({ key: leader!.key });
    assert.deepEqual([kvs[0]!.createRevision, kvs[0]!.value.toString(), kvs[0]!.lease], [leader!.rev, 'a', one]);

    let isElected = false;
    const next = raw.ask(Election.campaign, { name: election, lease: other, value: text('b') }).then((answer) => {
      isElected = true;
      return answer;
    });
    await entered(election, 2);
    await raw.ask(Election.proclaim, { leader: leader!, value: text('a2') });
    const shown = await raw.ask(Election.leader, { name: election });
    assert.deepEqual([shown.kv!.key, shown.kv!.value.toString()], [leader!.key, 'a2']);
    // Campaigning again with another value proclaims it.
    const again = await raw.ask(Election.campaign, { name: election, lease: one, value: text('a3') });
    assert.equal(again.leader!.rev, leader!.rev);
    assert.equal((await raw.ask(Election.leader, { name: election })).kv!.value.toString(), 'a3');
    assert.equal(isElected, false);

    await raw.ask(Election.resign, { leader: leader! });
    const { leader: successor } = await next;
    assert.equal(successor!.key.toString(), keyOf(election, other));
    await assert.rejects(
      raw.ask(Election.proclaim, { leader: leader!, value: text('late') }),
      etcdFailure(Code.UNKNOWN, 'election: not leader'),
    );
    assert.equal((await raw.ask(Election.leader, { name: election })).kv!.value.toString(), 'b');
    // Who leads no more resigns nobody else.
    await raw.ask(Election.resign, { leader: leader! });
    assert.deepEqual(await keys(election), [successor!.key.toString()]);
    await raw.ask(Election.resign, { leader: successor! });
  });

  test('election: observe: each leader and what it proclaims, in order', async () => {
    const { raw } = context;
    const election = name();
    const stream = raw.stream(Election.observe.path);
    stream.write(Election.observe.request.encode({ name: election }));
    stream.end();
    const values = async (count: number) => {
      await stream.message(count);
      return stream.received.map((bytes) => Election.observe.response.decode(bytes).kv!.value.toString());
    };
    const [one, other] = [await lease(), await lease()];
    const { leader } = await raw.ask(Election.campaign, { name: election, lease: one, value: text('a') });
    assert.deepEqual(await values(1), ['a']);
    await raw.ask(Election.proclaim, { leader: leader!, value: text('a2') });
    assert.deepEqual(await values(2), ['a', 'a2']);
    const next = raw.ask(Election.campaign, { name: election, lease: other, value: text('b') });
    await entered(election, 2);
    await context.client.leaseRevoke(one);
    const successor = (await next).leader!;
    assert.deepEqual(await values(3), ['a', 'a2', 'b']);
    await raw.ask(Election.resign, { leader: successor });
    stream.cancel();
  });

  test('election: refused: no leader key, a lease nobody granted', async () => {
    const { raw } = context;
    const missing = etcdFailure(Code.UNKNOWN, '"leader" field must be provided');
    await assert.rejects(raw.ask(Election.proclaim, {}), missing);
    await assert.rejects(raw.ask(Election.resign, {}), missing);
    await assert.rejects(
      raw.ask(Election.campaign, { name: name(), lease: 4711n }),
      etcdFailure(Code.UNKNOWN, 'etcdserver: requested lease not found'),
    );
  });

  test('health: serving; a service nobody has is unknown', async () => {
    const { raw } = context;
    assert.equal((await raw.ask(Health.check, {})).status, 1);
    await assert.rejects(raw.ask(Health.check, { service: 'x' }), etcdFailure(Code.NOT_FOUND, 'unknown service'));
    const stream = raw.stream(Health.watch.path);
    stream.write(Health.watch.request.encode({}));
    stream.end();
    assert.equal(Health.watch.response.decode(await stream.message(1)).status, 1);
    stream.cancel();
  });

  test('auth: off, without users and roles', async () => {
    const { raw } = context;
    const precondition = (words: string) => etcdFailure(Code.FAILED_PRECONDITION, `etcdserver: ${words}`);
    assert.deepEqual((await raw.ask(Auth.userList, {})).users, []);
    assert.deepEqual((await raw.ask(Auth.roleList, {})).roles, []);
    assert.ok((await raw.ask(Auth.authDisable, {})).header);
    await assert.rejects(raw.ask(Auth.authenticate, {}), precondition('authentication is not enabled'));
    await assert.rejects(raw.ask(Auth.authEnable, {}), precondition('root user does not exist'));
    await assert.rejects(raw.ask(Auth.userGet, {}), precondition('user name not found'));
    await assert.rejects(raw.ask(Auth.roleGet, {}), precondition('role name not found'));
    await assert.rejects(raw.ask(Auth.userDelete, {}), precondition('user name not found'));
    await assert.rejects(raw.ask(Auth.roleDelete, {}), precondition('role name not found'));
    assert.equal((await raw.ask(KV.range, { key: text('a') })).more, false);
  });
}
