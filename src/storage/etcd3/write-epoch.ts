/**
 * Lost creates do not come late. A transaction can outlive the client's patience: it waits in the socket of a frozen
 * member, or on the way to a leader that is frozen, and is proposed when that thaws, long after it was given up. For
 * most writes that is harmless, for they compare a revision that is gone once anything was written. A create compares
 * with nothing: when its object was made by the second try and deleted since, the first try would bring it back.
 *
 * So creates also compare one key that all servers share, and whoever loses the answer to a create changes that key
 * before the loss is told. Then it was applied already or never will be, and reading back says which.
 *
 *   example: create a, compare epoch 0         lost: it waits in a frozen leader
 *            change the epoch                  7
 *            read back: a is not there; create a, compare epoch 7   applied at 8; a is deleted at 9
 *            the leader thaws, the first create is proposed: the epoch is not 0, nothing happens
 */
import { type Clock, sleep } from '#base/clock.ts';
import { type EtcdKv, KvError, type TxnRequest, type TxnResponse } from './kv.ts';

const retryMs = 50;

/** `key` stays absent until the first loss. */
export function withWriteEpoch(kv: EtcdKv, clock: Clock, key: string): EtcdKv {
  /** The key's mod revision as we saw it last. A wrong guess costs a create one more round. */
  let epoch = 0;

  async function txn(request: TxnRequest, signal?: AbortSignal): Promise<TxnResponse> {
    if (!isCreate(request)) return kv.txn(request, signal);
    for (;;) {
      const sent = epoch;
      let response: TxnResponse;
      try {
        response = await kv.txn(
          {
            compare: [...request.compare, { key, modRevision: sent }],
            success: request.success,
            failure: [...request.failure, { type: 'range', key }],
          },
          signal,
        );
      } catch (error) {
        if (error instanceof KvError && error.maybeApplied) await end(sent, signal);
        throw error;
      }
      if (response.succeeded) return response;
      epoch = response.ranges.pop()?.[0]?.modRevision ?? 0;
      if (epoch === sent || signal?.aborted) return response;
    }
  }

  /** Nothing that was sent in this epoch is applied from now on. Gives up with the signal: then the outcome is unknown. */
  async function end(ended: number, signal: AbortSignal | undefined): Promise<void> {
    while (!signal?.aborted) {
      try {
        const response = await kv.txn(
          {
            compare: [{ key, modRevision: ended }],
            success: [{ type: 'put', key, value: Buffer.from('{}') }],
            failure: [{ type: 'range', key }],
          },
          signal,
        );
        epoch = response.succeeded ? response.revision : (response.ranges[0]?.[0]?.modRevision ?? 0);
        return;
      } catch (error) {
        if (!(error instanceof KvError) || !(error.maybeApplied || error.kind === 'unavailable')) return;
        await sleep(clock, retryMs, signal);
      }
    }
  }

  return { ...kv, txn };
}

function isCreate({ compare, success }: TxnRequest): boolean {
  return compare.some((c) => 'modRevision' in c && c.modRevision === 0) && success.some((op) => op.type === 'put');
}
