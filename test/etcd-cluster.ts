/** A cluster of real etcd members on loopback, TLS with client certificates everywhere, for tests that break it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLogger } from '#base/log.ts';
import { freePort } from '#base/testing/free-port.ts';
import { createEtcdClient } from '#etcd/client.ts';
import { realClock } from '#os/real-clock.ts';
import { type CertificateFiles, makeAuthority } from './etcd-certificates.ts';
import { ended } from './etcd-processes.ts';

const etcd = '/usr/bin/etcd';

/** For `skip`: a user's machine may have none, a tested one must. */
export const withoutRealEtcd = existsSync(etcd) ? false : 'real etcd is not installed (Debian: etcd-server)';
if (withoutRealEtcd && process.env['CI'] === 'true') throw new Error('real etcd is missing: install etcd-server');

interface Member {
  name: string;
  endpoint: string;
  flags: string[];
  child: ChildProcess;
}

export class EtcdCluster {
  readonly directory: string;
  readonly caFile: string;
  readonly server: CertificateFiles;
  readonly client: CertificateFiles;
  readonly #proxy: CertificateFiles;
  readonly members: Member[] = [];
  readonly #proxies: ChildProcess[] = [];

  private constructor(directory: string, caFile: string, certificates: readonly CertificateFiles[]) {
    this.directory = directory;
    this.caFile = caFile;
    [this.server, this.client, this.#proxy] = certificates as [CertificateFiles, CertificateFiles, CertificateFiles];
  }

  /** Resolves once it has a leader. */
  static async start(size: number, flags: readonly string[] = []): Promise<EtcdCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'etcd-cluster-'));
    const authority = await makeAuthority(directory, 'ca');
    const server = await authority.issue('etcd');
    const [client, proxy] = [await authority.issue('client'), await authority.issue('')];
    const cluster = new EtcdCluster(directory, authority.caFile, [server, client, proxy]);
    const all: { name: string; endpoint: string; peer: string }[] = [];
    for (let i = 1; i <= size; i++) {
      const [client, peer] = [await freePort(), await freePort()];
      all.push({ name: `m${i}`, endpoint: `https://127.0.0.1:${client}`, peer: `https://127.0.0.1:${peer}` });
    }
    const tls = (prefix: string) => [
      `--${prefix}cert-file=${server.cert}`,
      `--${prefix}key-file=${server.key}`,
      `--${prefix}trusted-ca-file=${authority.caFile}`,
      `--${prefix}client-cert-auth`,
    ];
    for (const { name, endpoint, peer } of all) {
      const own = [
        `--name=${name}`,
        `--data-dir=${join(directory, name)}`,
        `--listen-client-urls=${endpoint}`,
        `--advertise-client-urls=${endpoint}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=${all.map((m) => `${m.name}=${m.peer}`).join()}`,
        ...tls(''),
        ...tls('peer-'),
        ...flags,
      ];
      cluster.members.push({ name, endpoint, flags: own, child: cluster.#spawn(name, own) });
    }
    await cluster.leader();
    return cluster;
  }

  get endpoints(): string[] {
    return this.members.map((m) => m.endpoint);
  }

  member(endpoint: string): Member {
    return this.members.find((m) => m.endpoint === endpoint)!;
  }

  tls() {
    return { ca: readFileSync(this.caFile), cert: readFileSync(this.client.cert), key: readFileSync(this.client.key) };
  }

  /** The member that leads, as soon as one says that it does. */
  async leader(withinMs = 20_000): Promise<Member> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      for (const member of this.members) if (await this.#leads(member)) return member;
      if (Date.now() > deadline) throw new Error(`no leader within ${withinMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #leads(member: Member): Promise<boolean> {
    const options = { endpoints: [member.endpoint], tls: this.tls(), clock: realClock, log: silentLogger };
    const client = createEtcdClient(options);
    try {
      const { header, leader } = await client.status({ timeoutMs: 500 });
      return leader !== 0n && leader === header!.memberId;
    } catch {
      return false;
    } finally {
      client.close();
    }
  }

  async kill(member: Member, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await ended(member.child, signal);
  }

  /** Starts it on its data, and waits until it serves. */
  async restart(member: Member): Promise<void> {
    member.child = this.#spawn(member.name, member.flags);
    const options = { endpoints: [member.endpoint], tls: this.tls(), clock: realClock, log: silentLogger };
    const client = createEtcdClient(options);
    try {
      await client.range({ key: Buffer.from('x') }, { timeoutMs: 20_000 });
    } finally {
      client.close();
    }
  }

  async moveLeader(from: Member, to: Member): Promise<void> {
    const client = createEtcdClient({
      endpoints: [to.endpoint],
      tls: this.tls(),
      clock: realClock,
      log: silentLogger,
    });
    const { header } = await client.status();
    client.close();
    await promisify(execFile)('etcdctl', [
      `--endpoints=${from.endpoint}`,
      `--cacert=${this.caFile}`,
      `--cert=${this.client.cert}`,
      `--key=${this.client.key}`,
      'move-leader',
      header!.memberId.toString(16),
    ]);
  }

  /** A gRPC proxy in front of the members, or of some. */
  async startProxy(endpoints = this.endpoints): Promise<{ endpoint: string; child: ChildProcess; restart(): void }> {
    const listen = `127.0.0.1:${await freePort()}`;
    const run = () => {
      const child = spawn(
        etcd,
        [
          'grpc-proxy',
          'start',
          `--endpoints=${endpoints.join()}`,
          `--listen-addr=${listen}`,
          `--cacert=${this.caFile}`,
          `--cert=${this.#proxy.cert}`,
          `--key=${this.#proxy.key}`,
        ],
        { stdio: ['ignore', 'ignore', openSync(join(this.directory, `proxy-${listen}.log`), 'a')] },
      );
      this.#proxies.push(child);
      return child;
    };
    const proxy = {
      endpoint: `http://${listen}`,
      child: run(),
      restart() {
        proxy.child = run();
      },
    };
    return proxy;
  }

  async stop(): Promise<void> {
    const children = [...this.members.map((m) => m.child), ...this.#proxies];
    await Promise.all(children.map((child) => ended(child, 'SIGKILL')));
    if (!process.env['EVENKEEL_KEEP_TEST_DATA']) rmSync(this.directory, { recursive: true, force: true });
  }

  #spawn(name: string, flags: readonly string[]): ChildProcess {
    const log = openSync(join(this.directory, `${name}.log`), 'a');
    return spawn(etcd, flags, { stdio: ['ignore', log, log] });
  }
}
