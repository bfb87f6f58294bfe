/**
 * Writes per second of our store and of real etcd: puts, and transactions as an API server sends them (the key's
 * revision compared, then put, else read). Each client has a connection of its own and waits for each answer before the
 * next request. Pairs in turn; that every answered write was applied is checked by the store's revision.
 */
import { PutRequest, TxnRequest } from '#etcd/messages.ts';
import { type Call, type GrpcConnection, openConnection, prefixBytes } from './grpc-connection.ts';
import { median } from './processes.ts';
import { type BenchStore, type Pair, startPair, stopPair } from './store-processes.ts';

export type Write = 'put' | 'txn';

export interface Rate {
  write: Write;
  clients: number;
  valueBytes: number;
  /** Ours to etcd's, the median of the pairs. */
  ratio: number;
  ours: number;
  etcd: number;
}

export interface Effort {
  pairs: number;
  roundMs: number;
}

const keysPerClient = 16;
const warmUpMs = 250;
/** Of a pair of servers before their first round, so that code of ours is compiled and files have grown. */
const firstWarmUpMs = 1500;

export async function storeRates(effort: Effort, onRate: (rate: Rate) => void): Promise<void> {
  for (const valueBytes of [256, 2048]) {
    const pair = await startPair();
    try {
      const written = { ours: new Written(pair.ours), etcd: new Written(pair.etcd) };
      await warmUp(written, valueBytes);
      for (const clients of [1, 16, 128]) {
        for (const write of ['put', 'txn'] as const) {
          onRate(await compare(written, { write, clients, valueBytes }, effort));
        }
      }
      for (const one of Object.values(written)) one.verify();
    } finally {
      await stopPair(pair);
    }
  }
}

async function warmUp(written: Record<keyof Pair, Written>, valueBytes: number): Promise<void> {
  for (const one of [written.ours, written.etcd]) {
    for (const write of ['put', 'txn'] as const) {
      const clients = await openClients(one, { write, clients: 64, valueBytes });
      await run(clients, firstWarmUpMs);
      for (const { connection } of clients) connection.close();
    }
  }
}

interface Load {
  write: Write;
  clients: number;
  valueBytes: number;
}

async function compare(written: Record<keyof Pair, Written>, load: Load, { pairs, roundMs }: Effort): Promise<Rate> {
  const ours = await openClients(written.ours, load);
  const etcd = await openClients(written.etcd, load);
  const rates = { ours: [] as number[], etcd: [] as number[] };
  for (let i = 0; i < pairs; i++) {
    const turn = [
      async () => void rates.ours.push(await run(ours, roundMs)),
      async () => void rates.etcd.push(await run(etcd, roundMs)),
    ];
    // Who is first is in turn too.
    for (const one of i % 2 ? turn.reverse() : turn) await one();
  }
  for (const client of [...ours, ...etcd]) client.connection.close();
  const ratio = median(rates.ours.map((rate, i) => rate / rates.etcd[i]!));
  return { ...load, ratio, ours: median(rates.ours), etcd: median(rates.etcd) };
}

/** What a store has acknowledged. */
class Written {
  readonly store: BenchStore;
  #count = 0;
  #revision = 1;

  constructor(store: BenchStore) {
    this.store = store;
  }

  acknowledged(revision: number): void {
    this.#count++;
    if (revision > this.#revision) this.#revision = revision;
  }

  /** A store begins at revision 1, and every write is one. */
  verify(): void {
    if (this.#revision !== this.#count + 1) {
      throw new Error(`${this.#count} writes were acknowledged, but the revision is ${this.#revision}`);
    }
  }
}

interface Client {
  connection: GrpcConnection;
  /** Sends writes, one after the other, until told to stop; resolves with the last answer. */
  run(isOver: () => boolean, onAnswer: () => void): Promise<void>;
}

function openClients(written: Written, load: Load): Promise<Client[]> {
  return Promise.all(Array.from({ length: load.clients }, (_, i) => openClient(written, load, i)));
}

async function openClient(written: Written, { write, clients, valueBytes }: Load, number: number): Promise<Client> {
  const connection = await openConnection(written.store);
  const calls = Array.from({ length: keysPerClient }, (_, k) => {
    const key = Buffer.from(`/registry/${write}/${clients}/${number}/${k}`);
    const value = Buffer.alloc(valueBytes, 'x');
    return write === 'put' ? putCall(connection, key, value) : txnCall(connection, key, value);
  });
  let turn = 0;
  let answer: Buffer | undefined;
  return {
    connection,
    run(isOver, onAnswer) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const send = () => calls[turn++ % keysPerClient]!.send();
      connection.onData = (data, isEnd) => {
        if (data.length > 0) answer = data;
        if (!isEnd) return;
        if (!answer) throw new Error('refused');
        const call = calls[(turn - 1) % keysPerClient]!;
        const { revision, isSucceeded } = readAnswer(answer.subarray(prefixBytes));
        if (write === 'txn' && !isSucceeded) throw new Error('a compare did not hold');
        answer = undefined;
        call.sawRevision(revision);
        written.acknowledged(revision);
        onAnswer();
        if (isOver()) resolve();
        else send();
      };
      send();
      return promise;
    },
  };
}

async function run(clients: readonly Client[], ms: number): Promise<number> {
  const from = performance.now() + warmUpMs;
  const to = from + ms;
  let now = 0;
  let answers = 0;
  const onAnswer = () => {
    now = performance.now();
    if (now >= from && now < to) answers++;
  };
  await Promise.all(clients.map((client) => client.run(() => now >= to, onAnswer)));
  return answers / (ms / 1000);
}

interface WriteCall extends Pick<Call, 'send'> {
  sawRevision(revision: number): void;
}

function putCall(connection: GrpcConnection, key: Buffer, value: Buffer): WriteCall {
  const call = connection.call('/etcdserverpb.KV/Put', PutRequest.encode({ key, value }));
  return { send: call.send, sawRevision() {} };
}

/** A revision that takes five bytes; a smaller one is written in five bytes over it. */
const wideRevision = 2 ** 34;
const wideVarint = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x40]);

function txnCall(connection: GrpcConnection, key: Buffer, value: Buffer): WriteCall {
  const message = TxnRequest.encode({
    compare: [{ target: 2, key, modRevision: wideRevision }],
    success: [{ requestPut: { key, value } }],
    failure: [{ requestRange: { key } }],
  });
  const call = connection.call('/etcdserverpb.KV/Txn', message);
  const at = call.message.indexOf(wideVarint);
  const sawRevision = (revision: number) => {
    for (let i = 0; i < 5; i++) call.message[at + i] = (Math.floor(revision / 128 ** i) % 128) | (i < 4 ? 0x80 : 0);
  };
  sawRevision(0);
  return { send: call.send, sawRevision };
}

/** The first fields of a PutResponse and a TxnResponse: the header with the revision; whether the compares held. */
function readAnswer(message: Buffer): { revision: number; isSucceeded: boolean } {
  const headerEnd = 2 + message[1]!;
  let revision = 0;
  for (let at = 2; at < headerEnd; ) {
    const field = message[at++]! >> 3;
    let scale = 1;
    let value = 0;
    for (;;) {
      const byte = message[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    if (field === 3) revision = value;
  }
  return { revision, isSucceeded: message[headerEnd] === 0x10 && message[headerEnd + 1] === 1 };
}
