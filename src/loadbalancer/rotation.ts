import type { Backend } from './backend.ts';

/** Round robin over what is up; when nothing is, over everything (panic mode): a wrong guess beats a sure refusal. */
export class Rotation {
  readonly #backends: readonly Backend[];
  #next = 0;

  constructor(backends: readonly Backend[]) {
    this.#backends = backends;
  }

  /** The order in which one connection tries the backends: the healthy first, starting at the next in turn. */
  candidates(): Backend[] {
    const start = this.#next;
    this.#next = (this.#next + 1) % this.#backends.length;
    const turn = this.#backends.map((_, i) => this.#backends[(start + i) % this.#backends.length]!);
    return turn.sort((a, b) => rankOf(a) - rankOf(b));
  }

  get isPanicking(): boolean {
    return this.#backends.every((b) => b.state !== 'up');
  }
}

const ranks = { up: 0, draining: 2, down: 3 } as const;

function rankOf(backend: Backend): number {
  return backend.state === 'up' && backend.isLate ? 1 : ranks[backend.state];
}
