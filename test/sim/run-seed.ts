/** One seed from beginning to end: the plan is carried out, the world healed, and everything judged. */
import { sleep } from '#base/clock.ts';
import type { History, StoreHistory } from '#drills/model/history.ts';
import { codecFor } from './api-server.ts';
import { objectOf, runClient } from './clients.ts';
import { runForeignClient } from './foreign-clients.ts';
import { judge } from './judge.ts';
import { makePlan, mapsPrefix, type Plan, podsPrefix } from './plan.ts';
import { withoutRealWorld } from './real-world.ts';
import { contentsOf, storedOf } from './recorder.ts';
import { Trace } from './trace.ts';
import { truthOf } from './truth.ts';
import { WatchClient } from './watchers.ts';
import { type Sabotage, type Violation, World } from './world.ts';

/** After the healing everything must have come right within this. */
const healedWithinMs = 200_000;

export interface RunOptions {
  sabotage?: Sabotage;
  keepTrace?: boolean;
}

export interface RunResult {
  seed: number;
  violations: Violation[];
  /** The same seed gives the same. */
  hash: string;
  steps: number;
  virtualMs: number;
  operations: number;
  watchItems: number;
  revisions: number;
  counts: Record<string, number>;
  trace: readonly string[];
  history: History;
  truth: StoreHistory;
}

export function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  return runPlan(makePlan(seed), options);
}

export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const trace = new Trace(options.keepTrace);
  const world = new World(plan, trace, options.sabotage);
  const onRejection = (error: unknown) => world.violation('unhandled rejection', error);
  // A test runner listens too, and would take what is planted for a failure of its own.
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', onRejection);
  const onUncaught = (error: unknown) => world.violation('uncaught error', error);
  process.on('uncaughtException', onUncaught);
  // Errors are everyday here, and where they were made is asked only of a run that is looked at.
  const { stackTraceLimit } = Error;
  if (!options.keepTrace) Error.stackTraceLimit = 0;
  try {
    await withoutRealWorld(
      (name) => world.violation('touched the real world', name),
      () => live(world),
    );
  } catch (error) {
    world.violation('did not end', error);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    process.off('unhandledRejection', onRejection);
    process.off('uncaughtException', onUncaught);
    for (const other of others) process.on('unhandledRejection', other);
  }
  const truth = truthOf(world.disk);
  const history: History = { operations: world.recorder.operations, watches: world.recorder.watches };
  world.violations.push(...judge(world, truth));
  return {
    seed: plan.seed,
    violations: world.violations,
    hash: trace.hash,
    steps: world.scheduler.steps,
    virtualMs: world.scheduler.now,
    operations: history.operations.length,
    watchItems: history.watches.reduce((sum, watch) => sum + watch.items.length, 0),
    revisions: world.disk.durableRevision,
    counts: world.counts,
    trace: trace.lines,
    history,
    truth,
  };
}

async function live(world: World): Promise<void> {
  let end: { error?: unknown } | undefined;
  tell(world).then(
    () => {
      end = {};
    },
    (error: unknown) => {
      end = { error };
    },
  );
  await world.scheduler.run(() => end !== undefined);
  if (!end) throw new Error('nothing is left that could happen, and the story is not at its end');
  if (end.error) throw end.error;
}

async function tell(world: World): Promise<void> {
  const { plan } = world;
  world.start();
  const watchers = plan.watchers.map((watcher) => new WatchClient(world, watcher));
  for (const watcher of watchers) watcher.run().catch((error: unknown) => world.violation('a watcher ended', error));
  await Promise.all(
    plan.clients.map((client) => (client.kind === 'api' ? runClient(world, client) : runForeignClient(world, client))),
  );
  await sleep(world.clients.clock, plan.healAtMs - world.scheduler.now);
  await converge(world, watchers);
  world.isOver = true;
}

/** All is well: what still lags behind is stuck. */
async function converge(world: World, watchers: readonly WatchClient[]): Promise<void> {
  const { servers } = world;
  const isUp = () => servers.every((api) => api?.backend.synced());
  if (!(await world.until(isUp, healedWithinMs))) {
    world.violation(
      'not healed',
      `not synced: ${servers.map((api) => `${api?.process.name} ${api?.backend.synced()}`)}`,
    );
    return;
  }
  const { now } = world.scheduler;
  const ends = [...world.expiring.values()].map(({ ttlSeconds }) => world.expiredBy(now, ttlSeconds));
  if (ends.length > 0) await sleep(world.clients.clock, Math.max(...ends) + 1 - now);
  const last = await markEnds(world, watchers);
  for (const watcher of watchers) {
    if (await world.until(() => (watcher.position ?? 0) >= last, healedWithinMs)) continue;
    const { name, prefix } = watcher.plan;
    world.violation('not healed', `${name} of ${prefix} is at ${watcher.position}, the store at ${last}`);
  }
  for (let i = 0; i < servers.length; i++) {
    for (const prefix of [mapsPrefix, podsPrefix]) await audit(world, i, prefix);
  }
}

/** A last change that each watcher must be told of; the revision of the newest. */
async function markEnds(world: World, watchers: readonly WatchClient[]): Promise<number> {
  const etcd = world.etcdClient(world.clients);
  let newest = 0;
  for (const [i, { plan }] of watchers.entries()) {
    const key = plan.prefix.endsWith('/') ? `${plan.prefix}${namespaceUnder(plan.prefix)}zz-${i}` : plan.prefix;
    const object = objectOf(key, 900_000 + i, plan.color ?? 'red');
    const done = world.recorder.begin(900_000 + i, 'marker', undefined, {
      type: 'put',
      key,
      contents: contentsOf(object),
    });
    const { header } = await etcd.put({ key: Buffer.from(key), value: codecFor(key).encode(object) });
    newest = header!.revision;
    done({ type: 'ok', revision: newest });
  }
  return newest;
}

const namespaceUnder = (prefix: string) => (prefix === mapsPrefix || prefix === podsPrefix ? 'default/' : '');

/** What this server's cache holds is what the store holds. */
async function audit(world: World, server: number, prefix: string): Promise<void> {
  for (const freshness of ['consistent', 'any'] as const) {
    const api = world.server(server);
    const id = 950_000 + server * 10 + (prefix === mapsPrefix ? 0 : 2) + (freshness === 'any' ? 1 : 0);
    const done = world.recorder.begin(id, 'auditor', api?.process.name, { type: 'list', prefix, freshness });
    const options = freshness === 'any' ? { prefix, revision: 0 } : { prefix };
    const answer = await world.call(api, (asked) => asked.storage(prefix).list(options));
    if (typeof answer === 'string' || 'error' in answer) {
      world.violation('not healed', `no list of ${prefix} at ${api?.process.name}: ${JSON.stringify(answer)}`);
      return;
    }
    const { entries, revision } = answer.value;
    done({ type: 'ok', revision, objects: entries.map(storedOf), more: false });
  }
}
