/**
 * The one contract that starts and stops everything. `run` does its work until the signal aborts, cleans up,
 * and resolves; it rejects only when it cannot go on. A process's root lists its parts in order.
 */
export interface Runnable {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Runs the parts side by side. When one fails, or the signal aborts, the rest are stopped, in reverse order of
 * the list (what was started first is needed longest), and the first failure is thrown after all have ended.
 */
export async function runAll(parts: readonly Runnable[], signal: AbortSignal): Promise<void> {
  const stops = parts.map(() => new AbortController());
  const ended: Promise<void>[] = [];
  let failure: { cause: unknown } | undefined;
  let stopping: Promise<void> | undefined;

  const stopAll = async () => {
    for (let i = parts.length - 1; i >= 0; i--) {
      stops[i]!.abort();
      await ended[i];
    }
  };
  const stop = () => {
    stopping ??= Promise.resolve().then(stopAll);
  };
  for (const [i, part] of parts.entries()) {
    ended.push(
      part.run(stops[i]!.signal).then(stop, (cause: unknown) => {
        failure ??= { cause };
        stop();
      }),
    );
  }
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await Promise.all(ended);
  await stopping;
  if (failure) throw failure.cause;
}
