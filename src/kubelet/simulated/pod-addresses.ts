/**
 * Addresses of simulated pods: each node has a /24, and hands its addresses out in turn so that one is not reused soon.
 * In memory only: after a restart the pods' own status says what is taken.
 */
export class PodAddresses {
  #nodes = new Map<string, { prefix: string; next: number; taken: Set<number> }>();
  #byPod = new Map<string, { node: string; host: number }>();

  /** `prefix`: `10.244.3.` */
  addNode(node: string, prefix: string): void {
    this.#nodes.set(node, { prefix, next: 2, taken: new Set() });
  }

  /** The pod's address: the one it has, `known` from its status if that is free, or the next. */
  addressOf(uid: string, node: string, known?: string): string {
    const range = this.#nodes.get(node)!;
    const own = this.#byPod.get(uid);
    if (own) return `${range.prefix}${own.host}`;
    const claimed = known?.startsWith(range.prefix) ? Number(known.slice(range.prefix.length)) : Number.NaN;
    const host = isHost(claimed) && !range.taken.has(claimed) ? claimed : nextFree(range);
    range.taken.add(host);
    this.#byPod.set(uid, { node, host });
    return `${range.prefix}${host}`;
  }

  release(uid: string): void {
    const own = this.#byPod.get(uid);
    if (!own) return;
    this.#byPod.delete(uid);
    this.#nodes.get(own.node)!.taken.delete(own.host);
  }
}

/** .0 and .255 are no hosts, .1 is the gateway. */
const hostMin = 2;
const hostMax = 254;

function isHost(host: number): boolean {
  return Number.isInteger(host) && host >= hostMin && host <= hostMax;
}

/** More pods than addresses share them: a simulated address is never dialled. */
function nextFree(range: { next: number; taken: Set<number> }): number {
  for (let tries = hostMin; tries <= hostMax; tries++) {
    const host = range.next;
    range.next = host === hostMax ? hostMin : host + 1;
    if (!range.taken.has(host)) return host;
  }
  return hostMin;
}
