/**
 * Linearizability where nobody knows the store's order: the search of Wing and Gong, with Lowe's memory of what was
 * tried. It looks for an order of the operations that keeps to real time and in which each answer is right. Objects
 * are independent of one another, so it searches object by object; transactions join those that they name.
 *
 * An operation that was answered must have a place; one of unknown outcome may have one, anywhere after its request.
 */

import type { OperationRecord } from './history.ts';
import { apply, emptyState, type State, stateText } from './search-state.ts';
import { contentsText, isWrite } from './semantics.ts';

export type SearchResult =
  | { readonly type: 'linearizable'; readonly order: readonly OperationRecord[] }
  | { readonly type: 'not linearizable' }
  /** More tries than allowed: nothing is known. */
  | { readonly type: 'undecided' };

/** A try takes microseconds; histories of correct stores need little more than one for each operation. */
export const triesMaxDefault = 500_000;

/** Of operations of the same objects; reads must be of the consistent kind, lists are not understood here. */
export function searchOrder(operations: readonly OperationRecord[], triesMax = triesMaxDefault): SearchResult {
  const byInvocation = [...operations].sort((a, b) => a.invoked - b.invoked);
  const answered = byInvocation.filter(({ outcome }) => outcome.type !== 'unknown');
  const open = byInvocation.filter(({ operation, outcome }) => outcome.type === 'unknown' && isWrite(operation));
  return new Search(answered, mattering(open, answered), triesMax).run();
}

/**
 * Of the open writes those that can explain an answer. Where all that is answered are gets and puts, a put that nobody
 * saw explains nothing, and leaving it out spares the search every place it could have.
 */
function mattering(open: readonly OperationRecord[], answered: readonly OperationRecord[]): readonly OperationRecord[] {
  if (answered.some(({ operation }) => operation.type !== 'get' && operation.type !== 'put')) return open;
  const seen = new Set<string>();
  for (const { outcome } of answered) {
    if (outcome.type !== 'ok') continue;
    for (const told of [outcome.object, outcome.previous]) if (told) seen.add(contentsText(told.contents));
  }
  return open.filter(({ operation }) => operation.type !== 'put' || seen.has(contentsText(operation.contents)));
}

interface Frame {
  state: State;
  /** Indexes into `answered`, or ~index into `open`. */
  candidates: number[];
  next: number;
  /** What the last candidate may have made of the state, not tried yet. */
  alternatives: State[];
  /** How this frame was come to. */
  chosen: number | undefined;
}

class Search {
  #answered: readonly OperationRecord[];
  #open: readonly OperationRecord[];
  #triesLeft: number;
  #isPlaced: boolean[];
  #isOpenPlaced: boolean[];
  #firstUnplaced = 0;
  #tried = new Set<string>();

  constructor(answered: readonly OperationRecord[], open: readonly OperationRecord[], triesMax: number) {
    this.#answered = answered;
    this.#open = open;
    this.#triesLeft = triesMax;
    this.#isPlaced = answered.map(() => false);
    this.#isOpenPlaced = open.map(() => false);
  }

  run(): SearchResult {
    const stack: Frame[] = [this.#frame(emptyState, undefined)];
    while (stack.length > 0) {
      if (this.#firstUnplaced === this.#answered.length) {
        return { type: 'linearizable', order: stack.slice(1).map(({ chosen }) => this.#record(chosen!)) };
      }
      const frame = stack.at(-1)!;
      if (frame.alternatives.length === 0) {
        const candidate = frame.candidates[frame.next++];
        if (candidate === undefined) {
          stack.pop();
          if (frame.chosen !== undefined) this.#place(frame.chosen, false);
          continue;
        }
        if (--this.#triesLeft < 0) return { type: 'undecided' };
        frame.alternatives = [...apply(this.#record(candidate), frame.state)];
        continue;
      }
      const state = frame.alternatives.pop()!;
      const candidate = frame.candidates[frame.next - 1]!;
      this.#place(candidate, true);
      const place = `${this.#placedText()}|${stateText(state)}`;
      if (this.#tried.has(place)) {
        this.#place(candidate, false);
        continue;
      }
      this.#tried.add(place);
      stack.push(this.#frame(state, candidate));
    }
    return { type: 'not linearizable' };
  }

  #frame(state: State, chosen: number | undefined): Frame {
    return { state, candidates: this.#candidates(), next: 0, alternatives: [], chosen };
  }

  /** Those before which nothing that is not placed yet was over; the soonest answered first, the open ones last. */
  #candidates(): number[] {
    const answered: number[] = [];
    let bound = Infinity;
    for (let i = this.#firstUnplaced; i < this.#answered.length; i++) {
      const { invoked, returned = Infinity } = this.#answered[i]!;
      if (invoked > bound) break;
      if (this.#isPlaced[i]) continue;
      answered.push(i);
      bound = Math.min(bound, returned);
    }
    const candidates = answered
      .filter((i) => this.#answered[i]!.invoked <= bound)
      .sort((a, b) => (this.#answered[a]!.returned ?? Infinity) - (this.#answered[b]!.returned ?? Infinity));
    for (let i = 0; i < this.#open.length && this.#open[i]!.invoked <= bound; i++) {
      if (!this.#isOpenPlaced[i]) candidates.push(~i);
    }
    return candidates;
  }

  #record(candidate: number): OperationRecord {
    return candidate >= 0 ? this.#answered[candidate]! : this.#open[~candidate]!;
  }

  #place(candidate: number, isPlaced: boolean): void {
    if (candidate < 0) {
      this.#isOpenPlaced[~candidate] = isPlaced;
      return;
    }
    this.#isPlaced[candidate] = isPlaced;
    if (!isPlaced) this.#firstUnplaced = Math.min(this.#firstUnplaced, candidate);
    while (this.#isPlaced[this.#firstUnplaced]) this.#firstUnplaced++;
  }

  #placedText(): string {
    let text = String(this.#firstUnplaced);
    for (let i = this.#firstUnplaced + 1; i < this.#answered.length; i++) {
      if (this.#isPlaced[i]) text += `,${i}`;
      else if (this.#answered[i]!.invoked > (this.#answered[this.#firstUnplaced]!.returned ?? Infinity)) break;
    }
    for (const [i, isPlaced] of this.#isOpenPlaced.entries()) if (isPlaced) text += `;${i}`;
    return text;
  }
}
