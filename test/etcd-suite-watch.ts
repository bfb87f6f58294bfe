import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WatchOptions, WatchSink } from '#etcd/client.ts';
import { type Event, EventType } from '#etcd/key-value.ts';
import { WatchFilter } from '#etcd/messages.ts';
import { type EtcdSuiteContext, prefixEnd, text } from './etcd-suite.ts';

const waitMs = 10_000;

export function watchSuite(context: EtcdSuiteContext): void {
  test('watch: live: puts and deletes of the range, in order, with what was before', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const w = open(context, { key: text(prefix), rangeEnd: prefixEnd(prefix), prevKv: true });
    await w.created;
    await client.put({ key: text(`${prefix}a`), value: text('1') });
    await client.put({ key: text(`/elsewhere${prefix}`), value: text('1') });
    await client.put({ key: text(`${prefix}a`), value: text('2') });
    const { header } = await client.deleteRange({ key: text(`${prefix}a`) });
    const events = await w.atLeast(3);
    assert.deepEqual(events.map(shown), ['PUT 1 was -', 'PUT 2 was 1', 'DELETE  was 2']);
    assert.equal(events[2]!.kv.modRevision, header!.revision);
    assert.equal(events[2]!.kv.createRevision, 0);
    w.handle.cancel();
  });

  test('watch: from a revision: history first, then live, without a gap', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    const start = (await client.put({ key, value: text('0') })).header!.revision;
    for (let i = 1; i < 50; i++) await client.put({ key, value: text(String(i)) });
    const w = open(context, { key, startRevision: start + 1 });
    for (let i = 50; i < 100; i++) await client.put({ key, value: text(String(i)) });
    const events = await w.atLeast(99);
    assert.deepEqual(
      events.map((e) => e.kv.value.toString()),
      Array.from({ length: 99 }, (_, i) => String(i + 1)),
    );
    w.handle.cancel();
  });

  test('watch: a transaction: its events come together, a key at most once', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const w = open(context, { key: text(prefix), rangeEnd: prefixEnd(prefix) });
    await w.created;
    await client.txn({
      success: [
        { requestPut: { key: text(`${prefix}b`), value: text('1') } },
        { requestPut: { key: text(`${prefix}a`), value: text('1') } },
      ],
    });
    await w.atLeast(2);
    assert.deepEqual(
      w.batches[0]!.map((e) => e.kv.key.toString().slice(prefix.length)),
      ['b', 'a'],
    );
    w.handle.cancel();
  });

  test('watch: start in the future: nothing before it', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    const { header } = await client.put({ key, value: text('0') });
    const w = open(context, { key, startRevision: header!.revision + 2 });
    await w.created;
    await client.put({ key, value: text('1') });
    await client.put({ key, value: text('2') });
    const events = await w.atLeast(1);
    assert.equal(events[0]!.kv.value.toString(), '2');
    w.handle.cancel();
  });

  test('watch: filters: no puts, no deletes', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    const onlyDeletes = open(context, { key, filters: [WatchFilter.NOPUT] });
    const onlyPuts = open(context, { key, filters: [WatchFilter.NODELETE] });
    await Promise.all([onlyDeletes.created, onlyPuts.created]);
    await client.put({ key, value: text('1') });
    await client.deleteRange({ key });
    await client.put({ key, value: text('2') });
    assert.deepEqual((await onlyPuts.atLeast(2)).map(shown), ['PUT 1 was -', 'PUT 2 was -']);
    assert.deepEqual((await onlyDeletes.atLeast(1)).map(shown), ['DELETE  was -']);
    onlyDeletes.handle.cancel();
    onlyPuts.handle.cancel();
  });

  test('watch: a compacted start: refused with the revision that is left', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    const first = (await client.put({ key, value: text('1') })).header!.revision;
    const second = (await client.put({ key, value: text('2') })).header!.revision;
    await client.compact({ revision: second });
    const w = open(context, { key, startRevision: first });
    assert.equal(await w.compacted, second);
  });

  test('watch: progress: on request, at the current revision', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const w = open(context, { key: text(prefix), rangeEnd: prefixEnd(prefix) });
    await w.created;
    const { header } = await client.put({ key: text(`/elsewhere${prefix}`), value: text('1') });
    w.handle.requestProgress();
    await w.until(() => w.progress.some((revision) => revision >= header!.revision));
    w.handle.cancel();
  });

  test('watch: cancel: that one ends, its neighbour on the stream goes on', async () => {
    const { client } = context;
    const key = text(`${context.prefix()}a`);
    const one = open(context, { key });
    const other = open(context, { key });
    await Promise.all([one.created, other.created]);
    await client.put({ key, value: text('1') });
    await Promise.all([one.atLeast(1), other.atLeast(1)]);
    one.handle.cancel();
    await client.put({ key, value: text('2') });
    await other.atLeast(2);
    assert.equal(one.batches.flat().length, 1);
    other.handle.cancel();
  });

  test('watch: fragment: a large batch of events arrives whole', async () => {
    const { client } = context;
    const prefix = context.prefix();
    const value = Buffer.alloc(100_000, 'x');
    const w = open(context, { key: text(prefix), rangeEnd: prefixEnd(prefix), fragment: true });
    await w.created;
    for (let i = 0; i < 3; i++) {
      await client.txn({
        success: Array.from({ length: 10 }, (_, j) => ({
          requestPut: { key: text(`${prefix}${i}-${j}`), value },
        })),
      });
    }
    assert.equal((await w.atLeast(30)).length, 30);
    w.handle.cancel();
  });
}

function shown(event: Event): string {
  const kind = event.type === EventType.PUT ? 'PUT' : 'DELETE';
  return `${kind} ${event.kv.value} was ${event.prevKv?.value ?? '-'}`;
}

/** A watch that collects. */
export function open({ client }: EtcdSuiteContext, options: WatchOptions) {
  const batches: Event[][] = [];
  const progress: number[] = [];
  let wake = () => {};
  let failure: unknown;
  const created = Promise.withResolvers<number>();
  const compacted = Promise.withResolvers<number>();
  const sink: WatchSink = {
    created: (revision) => created.resolve(revision),
    events(events) {
      batches.push(events);
      wake();
    },
    progress(revision) {
      progress.push(revision);
      wake();
    },
    compacted: (revision) => compacted.resolve(revision),
    closed(error) {
      failure = error;
      wake();
    },
  };
  const handle = client.watch(options, sink);
  const until = async (condition: () => boolean) => {
    const timeout = AbortSignal.timeout(waitMs);
    while (!condition()) {
      if (failure) throw failure;
      if (timeout.aborted) throw new Error(`nothing more came within ${waitMs} ms`);
      await new Promise<void>((resolve) => {
        wake = resolve;
        timeout.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  };
  return {
    handle,
    batches,
    progress,
    created: created.promise,
    compacted: compacted.promise,
    until,
    async atLeast(count: number): Promise<Event[]> {
      await until(() => batches.flat().length >= count);
      return batches.flat();
    },
  };
}
