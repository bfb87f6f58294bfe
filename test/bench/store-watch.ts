/**
 * Watch fan-out: one writer, W watchers of the written prefix on up to ten connections, events received per second, of
 * our store and of real etcd. The writer stays a little ahead of the slowest connection, as a full store would.
 */
import { PutRequest, WatchRequest } from '#etcd/messages.ts';
import { type GrpcConnection, openConnection, prefixBytes } from './grpc-connection.ts';
import { median } from './processes.ts';
import { type BenchStore, startPair, stopPair } from './store-processes.ts';
import type { Effort } from './store-rate.ts';

export interface FanOut {
  watchers: number;
  /** Ours to etcd's, the median of the pairs. */
  ratio: number;
  ours: number;
  etcd: number;
}

const connectionsMax = 10;
const valueBytes = 256;
/** Writes that a connection's watchers may not have been told yet. */
const aheadMax = 32;
const warmUpMs = 400;
const firstWarmUpMs = 1500;

export async function watchFanOut({ pairs, roundMs }: Effort, onFanOut: (result: FanOut) => void): Promise<void> {
  const pair = await startPair();
  try {
    for (const watchers of [1, 10, 100, 1000]) {
      const ours = await openCrowd(pair.ours, watchers);
      const etcd = await openCrowd(pair.etcd, watchers);
      await ours.run(firstWarmUpMs);
      await etcd.run(firstWarmUpMs);
      const rates = { ours: [] as number[], etcd: [] as number[] };
      for (let i = 0; i < pairs; i++) {
        const turn = [
          async () => void rates.ours.push(await ours.run(roundMs)),
          async () => void rates.etcd.push(await etcd.run(roundMs)),
        ];
        for (const one of i % 2 ? turn.reverse() : turn) await one();
      }
      ours.close();
      etcd.close();
      const ratio = median(rates.ours.map((rate, i) => rate / rates.etcd[i]!));
      onFanOut({ watchers, ratio, ours: median(rates.ours), etcd: median(rates.etcd) });
    }
  } finally {
    await stopPair(pair);
  }
}

interface Listener {
  connection: GrpcConnection;
  watchers: number;
  created: number;
  events: number;
}

export async function openCrowd(store: BenchStore, watchers: number) {
  const prefix = `/registry/watched/${watchers}/`;
  let wake = () => {};
  const listeners: Listener[] = [];
  for (let c = 0; c < Math.min(watchers, connectionsMax); c++) {
    const count = Math.floor((watchers + c) / Math.min(watchers, connectionsMax));
    listeners.push(await openListener(store, prefix, count, () => wake()));
  }
  const until = async (isSo: () => boolean) => {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  await until(() => listeners.every((listener) => listener.created === listener.watchers));

  const writer = await openConnection(store);
  const calls = Array.from({ length: 16 }, (_, i) =>
    writer.call(
      '/etcdserverpb.KV/Put',
      PutRequest.encode({ key: Buffer.from(prefix + i), value: Buffer.alloc(valueBytes, 'x') }),
    ),
  );
  let writes = 0;
  let isAnswered = true;
  let hasData = false;
  writer.onData = (data, isEnd) => {
    if (data.length > 0) hasData = true;
    if (!isEnd) return;
    if (!hasData) throw new Error('a put was refused');
    hasData = false;
    isAnswered = true;
    wake();
  };
  const received = () => listeners.reduce((sum, listener) => sum + listener.events, 0);
  const behind = () => listeners.some((listener) => listener.events < (writes - aheadMax) * listener.watchers);

  return {
    /** Events per second. */
    async run(ms: number): Promise<number> {
      const from = performance.now() + warmUpMs;
      let before: { at: number; events: number } | undefined;
      for (;;) {
        await until(() => isAnswered && !behind());
        const now = performance.now();
        if (now >= from) before ??= { at: now, events: received() };
        if (now >= from + ms) {
          const rate = ((received() - before!.events) / (now - before!.at)) * 1000;
          // Every event of every write arrives, and none twice.
          await until(() => received() >= writes * watchers);
          if (received() !== writes * watchers) throw new Error(`${received()} events of ${writes * watchers}`);
          return rate;
        }
        isAnswered = false;
        calls[writes++ % calls.length]!.send();
      }
    },
    events: received,
    close() {
      for (const { connection } of listeners) connection.close();
      writer.close();
    },
  };
}

async function openListener(
  store: BenchStore,
  prefix: string,
  watchers: number,
  onChange: () => void,
): Promise<Listener> {
  const connection = await openConnection(store);
  const listener: Listener = { connection, watchers, created: 0, events: 0 };
  const rangeEnd = Buffer.from(prefix);
  rangeEnd[rangeEnd.length - 1]!++;
  const create = WatchRequest.encode({ createRequest: { key: Buffer.from(prefix), rangeEnd } });
  let unread: Buffer | undefined;
  connection.onData = (data, isEnd) => {
    if (isEnd) throw new Error('the watch ended');
    const bytes = unread ? Buffer.concat([unread, data]) : data;
    let at = 0;
    while (bytes.length - at >= prefixBytes) {
      const end = at + prefixBytes + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      const events = countEvents(bytes, at + prefixBytes, end);
      if (events === 0) listener.created++;
      else listener.events += events;
      at = end;
    }
    unread = at < bytes.length ? bytes.subarray(at) : undefined;
    onChange();
  };
  connection.call('/etcdserverpb.Watch/Watch', create, { isOpen: true }).send();
  for (let i = 1; i < watchers; i++) connection.more(create);
  return listener;
}

/** Field 11 of a WatchResponse, as often as it is there. */
function countEvents(bytes: Buffer, from: number, to: number): number {
  let events = 0;
  let at = from;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < to) {
    const tag = varint();
    const value = varint();
    if ((tag & 7) === 2) at += value;
    if (tag >> 3 === 11) events++;
  }
  return events;
}
