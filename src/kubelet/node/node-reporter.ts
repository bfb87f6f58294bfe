/**
 * Tells the API that nodes are alive: registers them, renews their Leases, and puts their status right. One for any
 * number of nodes: their heartbeats are spread evenly over the period by a single timer, and one watch tells when
 * somebody (the node lifecycle controller) wrote that a node is not ready. As upstream, a Node that was deleted is not
 * registered again before a restart. While the API is away everything is tried again; nobody waits for it.
 */
import type { KubeObject } from '#apimachinery/object.ts';
import { isStatusError } from '#apimachinery/status-error.ts';
import { type Clock, sleep } from '#base/clock.ts';
import { messageOf } from '#base/errors.ts';
import type { Logger } from '#base/log.ts';
import type { Runnable } from '#base/runnable.ts';
import type { ApiClient, ResourceClient } from '#client/client.ts';
import { reflect } from '#client/reflector.ts';
import { type NodeCondition, type NodeSpec, nodeConditions, nodeObject } from './node-object.ts';

export interface NodeReporterOptions {
  client: ApiClient;
  nodes: NodeSpec[];
  /** Of a node's status, when nothing changed it is written every `unchangedStatusMs` only. */
  statusUpdateMs: number;
  /** Create missing Node objects. */
  register: boolean;
  clock: Clock;
  random: () => number;
  log: Logger;
}

const nodesResource = { group: '', version: 'v1', resource: 'nodes' };
const leasesResource = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };
const leaseNamespace = 'kube-node-lease';
const leaseDurationSeconds = 40;
/** A quarter of the lease's duration, as upstream. */
const leaseRenewMs = 10_000;
const unchangedStatusMs = 300_000;
const registrationRetryMs = { initial: 100, max: 1000 };
/** Requests of this reporter under way at once. */
const requestsMax = 16;

interface ReportedNode {
  spec: NodeSpec;
  /** As the API has it; undefined before it is registered and after it was deleted. */
  uid: string | undefined;
  conditions: NodeCondition[];
  isReadyThere: boolean;
  statusWrittenAt: number;
  lease: KubeObject | undefined;
}

export class NodeReporter implements Runnable {
  readonly name = 'node-reporter';
  #options: NodeReporterOptions;
  #nodes = new Map<string, ReportedNode>();
  #resource: ResourceClient;
  #leases: ResourceClient;
  #onRegistered: ((name: string) => void)[] = [];
  #complaint = '';

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    this.#resource = options.client.resource(nodesResource);
    this.#leases = options.client.resource(leasesResource, leaseNamespace);
    for (const spec of options.nodes) {
      const unknown = { uid: undefined, conditions: [], isReadyThere: false, statusWrittenAt: 0, lease: undefined };
      this.#nodes.set(spec.name, { spec, ...unknown });
    }
  }

  /** Undefined while the API does not have the node. */
  uidOf(name: string): string | undefined {
    return this.#nodes.get(name)?.uid;
  }

  onRegistered(listener: (name: string) => void): void {
    this.#onRegistered.push(listener);
  }

  async run(signal: AbortSignal): Promise<void> {
    const nodes = [...this.#nodes.values()];
    // Side by side: one node that cannot be registered must not cost the others their heartbeats.
    const registered = inParallel(nodes, (node) => this.#register(node, signal));
    await Promise.all([registered, this.#watch(signal), this.#beat(nodes, signal)]);
  }

  async #register(node: ReportedNode, signal: AbortSignal): Promise<void> {
    const { clock, register } = this.#options;
    for (let delayMs = registrationRetryMs.initial; !signal.aborted; ) {
      try {
        const wanted = nodeObject(node.spec, clock.now());
        const found = (await this.#find(node.spec.name)) ?? (register ? await this.#create(wanted) : undefined);
        if (found) {
          await this.#adopt(node, found, wanted);
          await this.#renewLease(node);
          this.#complaint = '';
          for (const listener of this.#onRegistered) listener(node.spec.name);
          return;
        }
        throw new Error(`node ${node.spec.name} does not exist and --register-node is off`);
      } catch (error) {
        this.#complain('node not registered yet', error);
      }
      await sleep(clock, delayMs, signal);
      delayMs = Math.min(registrationRetryMs.max, delayMs * 2);
    }
  }

  async #find(name: string): Promise<KubeObject | undefined> {
    try {
      return await this.#resource.get(name);
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async #create(wanted: KubeObject): Promise<KubeObject> {
    const created = await this.#resource.create(wanted);
    this.#options.log.info({ node: created.metadata.name }, 'node registered');
    return created;
  }

  /** A node from an earlier life may have other labels and a status that others have given up on. */
  async #adopt(node: ReportedNode, found: KubeObject, wanted: KubeObject): Promise<void> {
    const labels = found.metadata.labels ?? {};
    const isOther = Object.entries(wanted.metadata.labels!).some(([k, v]) => labels[k] !== v);
    if (isOther) {
      const patch = { metadata: { labels: wanted.metadata.labels } };
      await this.#resource.patch(node.spec.name, 'application/merge-patch+json', patch);
    }
    node.uid = found.metadata.uid;
    node.conditions = found['status']?.conditions ?? [];
    const { status } = wanted;
    await this.#writeStatus(node, status);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, random, log, nodes } = this.#options;
    const fieldSelector = nodes.length === 1 ? `metadata.name=${nodes[0]!.name}` : '';
    const seen = (object: KubeObject) => {
      const node = this.#nodes.get(object.metadata.name!);
      if (!node) return;
      node.uid = object.metadata.uid;
      node.conditions = object['status']?.conditions ?? [];
      node.isReadyThere = node.conditions.find((c) => c.type === 'Ready')?.status === 'True';
      if (!node.isReadyThere) void this.#putRight(node);
    };
    const sink = {
      replace: (objects: KubeObject[]) => {
        const present = new Set(objects.map((o) => o.metadata.name));
        for (const [name, node] of this.#nodes) if (!present.has(name)) node.uid = undefined;
        objects.forEach(seen);
      },
      upsert: seen,
      remove: (object: KubeObject) => {
        const node = this.#nodes.get(object.metadata.name!);
        if (node?.uid === object.metadata.uid) node!.uid = undefined;
      },
    };
    await reflect({ name: 'nodes', resource: this.#resource, fieldSelector, clock, random, log }, sink, signal);
  }

  /** Node i of n is due i/n of the period after each round's beginning: one timer, and no burst of requests. */
  async #beat(nodes: ReportedNode[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const start = clock.monotonic();
    for (let beat = 0; ; ) {
      const at = (n: number) => start + leaseRenewMs + (n * leaseRenewMs) / nodes.length;
      await sleep(clock, Math.max(0, at(beat) - clock.monotonic()), signal);
      if (signal.aborted) return;
      const due: ReportedNode[] = [];
      // After a pause of this process a node is due once, not for every round that was missed.
      while (at(beat) <= clock.monotonic()) {
        if (due.length < nodes.length) due.push(nodes[beat % nodes.length]!);
        beat++;
      }
      await inParallel(due, (node) => this.#report(node));
    }
  }

  async #report(node: ReportedNode): Promise<void> {
    if (node.uid === undefined) return;
    try {
      await this.#renewLease(node);
      this.#complaint = '';
    } catch (error) {
      node.lease = undefined;
      this.#complain('lease not renewed', error);
    }
    await this.#putRight(node);
  }

  async #putRight(node: ReportedNode): Promise<void> {
    const { clock, statusUpdateMs } = this.#options;
    const age = clock.monotonic() - node.statusWrittenAt;
    if (node.isReadyThere ? age < Math.max(unchangedStatusMs, statusUpdateMs) : age < 1000) return;
    try {
      await this.#writeStatus(node, {});
    } catch (error) {
      this.#complain('node status not written', error);
    }
  }

  async #writeStatus(node: ReportedNode, status: object): Promise<void> {
    const { clock } = this.#options;
    node.statusWrittenAt = clock.monotonic();
    const conditions = nodeConditions(clock.now(), node.conditions);
    const patch = { status: { ...status, conditions } };
    await this.#resource.patch(node.spec.name, 'application/merge-patch+json', patch, { subresource: 'status' });
    node.conditions = conditions;
    node.isReadyThere = true;
  }

  async #renewLease(node: ReportedNode): Promise<void> {
    const { name } = node.spec;
    const renewTime = new Date(this.#options.clock.now()).toISOString().replace('Z', '000Z');
    const spec = { holderIdentity: name, leaseDurationSeconds, renewTime };
    if (!node.lease) {
      try {
        node.lease = await this.#leases.get(name);
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
        const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid: node.uid! }];
        const metadata = { name, namespace: leaseNamespace, ownerReferences };
        node.lease = await this.#leases.create({
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata,
          spec,
        });
        return;
      }
    }
    node.lease = await this.#leases.update({ ...node.lease, spec: { ...node.lease['spec'], ...spec } });
  }

  /** Once for each thing that is wrong, not for each node and try. */
  #complain(what: string, error: unknown): void {
    const complaint = `${what}: ${messageOf(error)}`;
    if (complaint === this.#complaint) return;
    this.#complaint = complaint;
    this.#options.log.warn({ error: messageOf(error) }, what);
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(requestsMax, items.length) }, worker));
}
