/**
 * Clients of one API server that do everything at once, and a judge of what they were told. Writers count up, each in a
 * ConfigMap of its own; readers get and list; one watches. No request may fail, no acknowledged count may be missing
 * from a read that began after it, the watch shows every revision once and in order.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { Agent, request } from 'node:https';
import type { TestContext } from 'node:test';
import { until } from './control-plane.ts';

let runs = 0;

/** Traffic before, throughout and after `body`; then the judgement. */
export async function underTraffic(
  t: TestContext,
  port: number,
  body: (traffic: ApiTraffic) => Promise<void>,
): Promise<void> {
  const traffic = new ApiTraffic(port, 6, `t${++runs}`);
  t.after(() => traffic.stop());
  await traffic.start();
  traffic.mark();
  await body(traffic);
  await traffic.flows();
  t.diagnostic(`slowest request: ${traffic.slowest.ms} ms (${traffic.slowest.what}); ${traffic.requests} requests`);
  await traffic.stopAndVerify();
}

/** Stopped as a whole, as by a hypervisor; its connections stand. */
export async function frozen(process: ChildProcess, body: () => Promise<void>): Promise<void> {
  process.kill('SIGSTOP');
  try {
    await body();
  } finally {
    process.kill('SIGCONT');
  }
}

interface Answer {
  status: number;
  body: any;
}

const path = '/api/v1/namespaces/default/configmaps';
const token = 'admintoken';
/** Longer than any failover may take: what takes longer has failed. */
const requestTimeoutMs = 30_000;

export class ApiTraffic {
  readonly failures: string[] = [];
  /** Since the last `mark`. */
  slowest = { ms: 0, what: '' };
  requests = 0;
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  readonly #writers: number;
  readonly #prefix: string;
  /** By writer: the last acknowledged count, its revision; and all revisions it was told. */
  readonly #acknowledged = new Map<string, { count: number; revision: number }>();
  readonly #revisions = new Set<number>();
  readonly #seen: { name: string; count: number; revision: number }[] = [];
  #isStopped = false;
  #workers: Promise<void>[] = [];
  #endWatch: () => void = () => {};
  #watching: Promise<void> = Promise.resolve();

  constructor(port: number, writers = 6, prefix = 'count') {
    this.#port = port;
    this.#writers = writers;
    this.#prefix = prefix;
  }

  async start(): Promise<void> {
    const { body } = await this.#call('GET', path);
    this.#watching = this.#watch(body.metadata.resourceVersion);
    const names = Array.from({ length: this.#writers }, (_, i) => `${this.#prefix}-${i}`);
    this.#workers = [
      ...names.map((name) => this.#write(name)),
      ...names.slice(0, 3).map((name) => this.#get(name)),
      this.#list(),
      this.#list(),
      this.#createAndDelete(),
    ];
    await this.flows();
  }

  /** Every worker has had an answer to a request that it began after now. */
  async flows(withinMs = 40_000): Promise<void> {
    const waiting = new Set(this.#workers.keys());
    this.#onProgress = (worker) => waiting.delete(worker);
    // One answer may still be to a request of before.
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < this.#progress.length; i++) waiting.add(i);
      await until('every client is answered', () => waiting.size === 0, withinMs);
    }
  }

  mark(): void {
    this.slowest = { ms: 0, what: '' };
  }

  async stopAndVerify(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
    const last = Math.max(...this.#revisions);
    await until('the watch has caught up', () => this.#seen.some((s) => s.revision >= last)).catch((error: Error) =>
      this.failures.push(error.message),
    );
    this.#endWatch();
    await this.#watching;
    const { body } = await this.#call('GET', path);
    this.#agent.destroy();
    for (const [name, { count }] of this.#acknowledged) {
      const found = body.items.find((item: any) => item.metadata.name === name);
      if (Number(found?.data.count) !== count) this.failures.push(`${name} is ${found?.data.count}, not ${count}`);
    }
    for (const { metadata } of body.items)
      if (metadata.name.startsWith(`${this.#prefix}-brief-`)) this.failures.push(`${metadata.name} came back`);
    const shown = this.#seen.map((s) => s.revision);
    for (let i = 1; i < shown.length; i++)
      if (shown[i]! <= shown[i - 1]!) this.failures.push(`watch: ${shown[i]} after ${shown[i - 1]}`);
    const shownSet = new Set(shown);
    for (const revision of this.#revisions)
      if (!shownSet.has(revision)) this.failures.push(`watch: never showed ${revision}`);
    const counts = new Map<string, number>();
    for (const { name, count } of this.#seen) {
      if (Number.isNaN(count)) continue;
      const before = counts.get(name);
      if (before !== undefined && count !== before + 1)
        this.failures.push(`watch: ${name} shows ${count} after ${before}`);
      counts.set(name, count);
    }
    assert.deepEqual(this.failures, []);
    assert.ok(this.#revisions.size > 20, 'it did write');
  }

  /** Also after a failed test. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#endWatch();
    this.#agent.destroy();
    await Promise.all([...this.#workers, this.#watching]);
  }

  #onProgress: (worker: number) => void = () => {};
  readonly #progress: number[] = [];

  async #loop(pauseMs: number, body: () => Promise<void>): Promise<void> {
    const worker = this.#progress.push(0) - 1;
    while (!this.#isStopped && this.failures.length < 50) {
      try {
        await body();
        this.#onProgress(worker);
      } catch (error) {
        if (!this.#isStopped) this.failures.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async #write(name: string): Promise<void> {
    let count = 0;
    let current: any;
    await this.#loop(5, async () => {
      const next = { ...current, metadata: { ...current?.metadata, name }, data: { count: String(count) } };
      const answer = current
        ? await this.#ok('PUT', `${path}/${name}`, next)
        : await this.#ok('POST', path, { apiVersion: 'v1', kind: 'ConfigMap', ...next });
      if (Number(answer.data.count) !== count) this.failures.push(`${name}: wrote ${count}, told ${answer.data.count}`);
      current = answer;
      const revision = Number(answer.metadata.resourceVersion);
      this.#acknowledged.set(name, { count, revision });
      this.#revisions.add(revision);
      count++;
    });
  }

  async #get(name: string): Promise<void> {
    await this.#loop(5, async () => {
      const before = this.#acknowledged.get(name);
      if (!before) return;
      const { data } = await this.#ok('GET', `${path}/${name}`);
      if (Number(data.count) < before.count) this.failures.push(`${name}: read ${data.count} after ${before.count}`);
    });
  }

  async #list(): Promise<void> {
    let last = 0;
    await this.#loop(20, async () => {
      const before = new Map(this.#acknowledged);
      const list = await this.#ok('GET', path);
      const revision = Number(list.metadata.resourceVersion);
      if (revision < last) this.failures.push(`list: ${revision} after ${last}`);
      last = revision;
      for (const [name, { count }] of before) {
        const found = list.items.find((item: any) => item.metadata.name === name);
        if (!found || Number(found.data.count) < count)
          this.failures.push(`list: ${name} is ${found?.data.count} after ${count}`);
      }
    });
  }

  /** What is created and deleted stays deleted: a create that got lost on its way must not arrive afterwards. */
  async #createAndDelete(): Promise<void> {
    let i = 0;
    await this.#loop(5, async () => {
      const name = `${this.#prefix}-brief-${i++}`;
      const made = await this.#ok('POST', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
      this.#revisions.add(Number(made.metadata.resourceVersion));
      await this.#ok('DELETE', `${path}/${name}`);
      const { status } = await this.#call('GET', `${path}/${name}`);
      if (status !== 404) this.failures.push(`${name}: ${status} after it was deleted`);
    });
  }

  async #watch(from: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const options = this.#options('GET', `${path}?watch=1&resourceVersion=${from}`);
      const sent = request({ ...options, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          text += piece;
          const lines = text.split('\n');
          text = lines.pop()!;
          for (const line of lines) this.#event(JSON.parse(line));
        });
        response.on('close', () => {
          if (!isEnded) this.failures.push('the watch was cut');
          resolve();
        });
        response.on('error', () => {});
      });
      let isEnded = false;
      this.#endWatch = () => {
        isEnded = true;
        sent.destroy();
      };
      sent.on('error', () => resolve());
      sent.end();
    });
  }

  #event({ type, object }: { type: string; object: any }): void {
    if (type === 'ERROR') {
      this.failures.push(`watch: ${JSON.stringify(object)}`);
      return;
    }
    const { name, resourceVersion } = object.metadata;
    this.#seen.push({ name, count: Number(object.data?.count), revision: Number(resourceVersion) });
  }

  async #ok(method: string, url: string, body?: object): Promise<any> {
    const answer = await this.#call(method, url, body);
    if (answer.status >= 300) throw new Error(`${method} ${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  #options(method: string, url: string) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return { host: '127.0.0.1', port: this.#port, method, path: url, headers, rejectUnauthorized: false };
  }

  async #call(method: string, url: string, body?: object): Promise<Answer> {
    const began = performance.now();
    const answer = await new Promise<Answer>((resolve, reject) => {
      const sent = request({ ...this.#options(method, url), agent: this.#agent }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          text += piece;
        });
        response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }));
        response.on('error', reject);
      });
      sent.setTimeout(requestTimeoutMs, () => sent.destroy(new Error(`${method} ${url}: no answer`)));
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    });
    this.requests++;
    const ms = performance.now() - began;
    if (ms > this.slowest.ms) this.slowest = { ms: Math.round(ms), what: `${method} ${url}` };
    return answer;
  }
}
