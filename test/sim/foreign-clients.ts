/** Programs that write to the same store past the API servers, under their prefix and elsewhere, and compact it. */
import { sleep } from '#base/clock.ts';
import type { Operation, Outcome } from '#drills/model/history.ts';
import { EtcdError } from '#etcd/etcd-error.ts';
import { CompareResult, CompareTarget } from '#etcd/messages.ts';
import { codecFor } from './api-server.ts';
import { objectOf } from './clients.ts';
import type { SimEtcdClient } from './etcd-connection.ts';
import type { Action, ClientPlan } from './plan.ts';
import { contentsOf } from './recorder.ts';
import type { World } from './world.ts';

const codec = codecFor('/registry/');

export async function runForeignClient(world: World, plan: ClientPlan): Promise<void> {
  const etcd = world.etcdClient(world.clients);
  let newest = 0;
  const see = (revision: number) => {
    newest = Math.max(newest, revision);
    return revision;
  };
  for (const { id, waitMs, action } of plan.steps) {
    await sleep(world.clients.clock, waitMs);
    if (action.do === 'compact') {
      // By the store's own account rather than by what it saw itself: the newest changes are what others have yet to hear of.
      const revision = world.disk.durableRevision - action.keep;
      world.recorder.note(plan.name, `compact ${revision}`);
      if (revision > 0) await etcd.compact({ revision }).catch(ignore);
      continue;
    }
    if (action.do === 'elsewhere') {
      const put = { key: Buffer.from('/elsewhere/x'), value: Buffer.from(String(id)) };
      await etcd.put(put).then((r) => see(r.header!.revision), ignore);
      continue;
    }
    const [operation, run] = requestOf(id, action, etcd);
    const done = world.recorder.begin(id, plan.name, undefined, operation);
    done(await run().catch(outcomeOf));
  }

  function requestOf(id: number, action: Action, client: SimEtcdClient): [Operation, () => Promise<Outcome>] {
    const object = (key: string, color: string, part = '') => {
      const made = objectOf(key, id, color) as ReturnType<typeof objectOf> & { data: Record<string, string> };
      made.data = { by: `${id}${part}` };
      return made;
    };
    switch (action.do) {
      case 'put': {
        const value = object(action.key, action.color);
        return [
          { type: 'put', key: action.key, contents: contentsOf(value) },
          async () => {
            const { header } = await client.put({ key: Buffer.from(action.key), value: codec.encode(value) });
            return { type: 'ok', revision: see(header!.revision) };
          },
        ];
      }
      case 'delete':
        return [
          { type: 'delete', key: action.key },
          async () => {
            const { header, deleted } = await client.deleteRange({ key: Buffer.from(action.key) });
            see(header!.revision);
            return deleted === 0 ? { type: 'failed', reason: 'absent' } : { type: 'ok', revision: header!.revision };
          },
        ];
      case 'txn': {
        const { keys, color, compares } = action;
        const values = keys.map((key, i) => object(key, color, `.${i}`));
        const compare = compares ? [{ key: keys[0]!, revision: 0 }] : [];
        const success = keys.map((key, i) =>
          i % 3 === 2
            ? ({ type: 'delete', key } as const)
            : ({ type: 'put', key, contents: contentsOf(values[i]!) } as const),
        );
        return [
          { type: 'txn', compare, success, failure: [] },
          async () => {
            const response = await client.txn({
              compare: compare.map(({ key, revision }) => ({
                key: Buffer.from(key),
                target: CompareTarget.MOD,
                result: CompareResult.EQUAL,
                modRevision: revision,
              })),
              success: success.map((step, i) =>
                step.type === 'delete'
                  ? { requestDeleteRange: { key: Buffer.from(step.key) } }
                  : { requestPut: { key: Buffer.from(step.key), value: codec.encode(values[i]!) } },
              ),
            });
            const revision = see(response.header.revision);
            return { type: 'ok', ...(response.succeeded ? { revision } : {}), succeeded: response.succeeded };
          },
        ];
      }
      default:
        throw new Error(`not for a foreign client: ${action.do}`);
    }
  }
}

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof EtcdError)) throw error;
  const { message, maybeApplied } = error;
  return maybeApplied ? { type: 'unknown', message } : { type: 'failed', reason: 'refused', message };
}

const ignore = () => {};
