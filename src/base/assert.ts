/** An invariant of our own was broken. Never thrown for bad input: that is an operating error. */
export class AssertionError extends Error {
  override name = 'AssertionError';
}

/** Stays on in production: a process that broke an invariant must not go on and write. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the `default` of a switch over a union: fails to compile when a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
