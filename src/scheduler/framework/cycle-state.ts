/** What a plugin computes at one extension point and reads at a later one, for the pod in hand. */
export class CycleState {
  readonly #data = new Map<string, unknown>();
  /** Plugins that said Skip at preFilter or preScore. */
  readonly skipFilter = new Set<string>();
  readonly skipScore = new Set<string>();

  /** `key` begins with the plugin's name. */
  write(key: string, value: unknown): void {
    this.#data.set(key, value);
  }

  read<T>(key: string): T | undefined {
    return this.#data.get(key) as T | undefined;
  }
}
