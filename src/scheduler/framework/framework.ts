/** Runs the plugins of one profile. Which plugin takes part in which point is found once, when it is made. */
import { messageOf } from '#base/errors.ts';
import type { Pod } from '../api-objects.ts';
import type { QueuedPodInfo } from '../queue/queued-pod-info.ts';
import type { CycleState } from './cycle-state.ts';
import type { NodeInfo } from './node-info.ts';
import type { Diagnosis, Plugin, PreFilterResult } from './plugin.ts';
import type { PodInfo } from './pod-info.ts';
import { Code, isRejected, type Status } from './status.ts';

export interface WeightedPlugin {
  plugin: Plugin;
  /** Of its score. */
  weight: number;
}

type With<K extends keyof Plugin> = Plugin & Required<Pick<Plugin, K>>;

export class Framework {
  readonly less: (a: QueuedPodInfo, b: QueuedPodInfo) => boolean;
  #preEnqueue: With<'preEnqueue'>[];
  #preFilter: With<'preFilter'>[];
  #filter: With<'filter'>[];
  #postFilter: With<'postFilter'>[];
  #preScore: With<'preScore'>[];
  #score: { plugin: With<'score'>; weight: number }[];
  #reserve: Plugin[];
  #permit: With<'permit'>[];
  #preBind: With<'preBind'>[];
  #bind: With<'bind'>[];
  #postBind: With<'postBind'>[];

  constructor(weighted: readonly WeightedPlugin[]) {
    const plugins = weighted.map((w) => w.plugin);
    const having = <K extends keyof Plugin>(point: K) => plugins.filter((p): p is With<K> => p[point] !== undefined);
    const [sorter] = having('less');
    if (!sorter) throw new Error('a profile needs a queueSort plugin');
    this.less = (a, b) => sorter.less(a, b);
    this.#preEnqueue = having('preEnqueue');
    this.#preFilter = having('preFilter');
    this.#filter = having('filter');
    this.#postFilter = having('postFilter');
    this.#preScore = having('preScore');
    this.#score = weighted
      .filter((w) => w.plugin.score)
      .map(({ plugin, weight }) => ({ plugin: plugin as With<'score'>, weight: weight || 1 }));
    this.#reserve = plugins.filter((p) => p.reserve || p.unreserve);
    this.#permit = having('permit');
    this.#preBind = having('preBind');
    this.#bind = having('bind');
    this.#postBind = having('postBind');
  }

  /** The first plugin that holds the pod back. */
  preEnqueue(pod: Pod): Status | undefined {
    for (const plugin of this.#preEnqueue) {
      const status = plugin.preEnqueue(pod);
      if (status) return { ...status, plugin: plugin.name };
    }
    return undefined;
  }

  /** The names of the only nodes that can be meant, when plugins know them; a Status when none can. */
  preFilter(
    state: CycleState,
    pod: PodInfo,
    nodes: readonly NodeInfo[],
  ): { nodeNames?: Set<string>; status?: Status; plugins: string[] } {
    let nodeNames: Set<string> | undefined;
    const restricting: string[] = [];
    for (const plugin of this.#preFilter) {
      const result = plugin.preFilter(state, pod, nodes);
      if (!result) continue;
      if (isStatus(result)) {
        if (result.code !== Code.skip) return { status: { ...result, plugin: plugin.name }, plugins: [plugin.name] };
        state.skipFilter.add(plugin.name);
        continue;
      }
      restricting.push(plugin.name);
      nodeNames = nodeNames ? nodeNames.intersection(result.nodeNames) : result.nodeNames;
      if (nodeNames.size === 0) {
        const why = `node(s) didn't satisfy plugin(s) [${restricting.join(' ')}]`;
        const reason = restricting.length > 1 ? `${why} simultaneously` : why;
        return { status: { code: Code.unschedulableAndUnresolvable, reasons: [reason] }, plugins: restricting };
      }
    }
    return { ...(nodeNames && { nodeNames }), plugins: restricting };
  }

  /** The first plugin that refuses the node. */
  filter(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined {
    const skipped = state.skipFilter;
    for (let i = 0; i < this.#filter.length; i++) {
      const plugin = this.#filter[i]!;
      if (skipped.size > 0 && skipped.has(plugin.name)) continue;
      const status = plugin.filter(state, pod, node);
      if (status) {
        status.plugin = plugin.name;
        return status;
      }
    }
    return undefined;
  }

  /** Fills `diagnosis.postFilterMessage`; the first nomination wins. */
  postFilter(state: CycleState, pod: PodInfo, diagnosis: Diagnosis): string | undefined {
    const messages: string[] = [];
    let nominated: string | undefined;
    for (const plugin of this.#postFilter) {
      const result = plugin.postFilter(state, pod, diagnosis);
      if (result.message) messages.push(result.message);
      nominated ??= result.nominatedNodeName;
      if (nominated) break;
    }
    diagnosis.postFilterMessage = messages.join(', ');
    return nominated;
  }

  /** Weighted sums, in the order of `nodes`. */
  score(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Float64Array {
    for (const plugin of this.#preScore) {
      const status = plugin.preScore(state, pod, nodes);
      if (status?.code === Code.skip) state.skipScore.add(plugin.name);
    }
    const totals = new Float64Array(nodes.length);
    const scores = new Float64Array(nodes.length);
    for (const { plugin, weight } of this.#score) {
      if (state.skipScore.has(plugin.name)) continue;
      for (let i = 0; i < nodes.length; i++) scores[i] = plugin.score(state, pod, nodes[i]!);
      plugin.normalizeScores?.(state, pod, scores);
      for (let i = 0; i < nodes.length; i++) totals[i]! += scores[i]! * weight;
    }
    return totals;
  }

  reserve(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined {
    for (const plugin of this.#reserve) {
      const status = plugin.reserve?.(state, pod, nodeName);
      if (status) return { ...status, plugin: plugin.name };
    }
    return undefined;
  }

  /** In reverse order. */
  unreserve(state: CycleState, pod: PodInfo, nodeName: string): void {
    for (const plugin of this.#reserve.toReversed()) plugin.unreserve?.(state, pod, nodeName);
  }

  permit(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined {
    for (const plugin of this.#permit) {
      const status = plugin.permit(state, pod, nodeName);
      if (status) return { ...status, plugin: plugin.name };
    }
    return undefined;
  }

  async preBind(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined> {
    for (const plugin of this.#preBind) {
      const status = await attempt(() => plugin.preBind(state, pod, nodeName));
      if (status) return { ...status, plugin: plugin.name };
    }
    return undefined;
  }

  async bind(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined> {
    for (const plugin of this.#bind) {
      const status = await attempt(() => plugin.bind(state, pod, nodeName));
      if (status?.code === Code.skip) continue;
      return status && { ...status, plugin: plugin.name };
    }
    return { code: Code.error, reasons: ['no bind plugin took the pod'] };
  }

  postBind(state: CycleState, pod: PodInfo, nodeName: string): void {
    for (const plugin of this.#postBind) plugin.postBind(state, pod, nodeName);
  }
}

/** A rejection of the API server or of the network is an operating error of the cycle. */
async function attempt(fn: () => Promise<Status | undefined>): Promise<Status | undefined> {
  try {
    return await fn();
  } catch (error) {
    return { code: Code.error, reasons: [messageOf(error)] };
  }
}

function isStatus(result: PreFilterResult | Status): result is Status {
  return 'code' in result;
}

/** Names of plugins that refused, for requeueing. */
export function rejectingPlugin(status: Status): string | undefined {
  return isRejected(status) ? status.plugin : undefined;
}
