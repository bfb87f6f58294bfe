/**
 * Node ports: one bitmap for the cluster, kept in the store under upstream's key as a RangeAllocation and changed by
 * compare-and-swap. Bit i (counted from the end of the big-endian number) is port first+i.
 */
import type { RawStorage } from '#storage/storage.ts';
import { AllocationError } from './ip-allocator.ts';

export interface NodePortRange {
  first: number;
  last: number;
}

export interface NodePortAllocator {
  allocate(wanted: number | undefined, dryRun: boolean): Promise<number>;
  release(ports: readonly number[]): Promise<void>;
  /** All that are taken. */
  allocated(): Promise<number[]>;
}

const key = '/registry/ranges/servicenodeports';
/** Other servers may be faster so often. */
const attemptsMax = 32;

export function createNodePortAllocator(
  raw: RawStorage,
  range: NodePortRange,
  random: () => number,
): NodePortAllocator {
  const size = range.last - range.first + 1;

  const read = async (): Promise<{ bits: Buffer; revision: number }> => {
    const found = await raw.get(key);
    const data = found ? Buffer.from(JSON.parse(found.value.toString()).data ?? '', 'base64') : Buffer.alloc(0);
    const bits = Buffer.alloc(Math.ceil(size / 8));
    data.copy(bits, Math.max(0, bits.length - data.length), Math.max(0, data.length - bits.length));
    return { bits, revision: found?.revision ?? 0 };
  };
  const write = (bits: Buffer, ifRevision: number) => {
    const first = bits.findIndex((byte) => byte !== 0);
    const data = first < 0 ? Buffer.alloc(0) : bits.subarray(first);
    const allocation = {
      kind: 'RangeAllocation',
      apiVersion: 'v1',
      metadata: {},
      range: `${range.first}-${range.last}`,
      data: data.toString('base64'),
    };
    return raw.put(key, Buffer.from(`${JSON.stringify(allocation)}\n`), { ifRevision });
  };
  /** `change` edits the bits and gives the result; undefined edits: nothing to write. */
  const swap = async <T>(change: (bits: Buffer) => { result: T; isChanged: boolean }): Promise<T> => {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const { bits, revision } = await read();
      const { result, isChanged } = change(bits);
      if (!isChanged || (await write(bits, revision))) return result;
    }
    throw new AllocationError('other servers allocate too fast; try again');
  };
  return {
    allocate(wanted, dryRun) {
      if (wanted !== undefined && (wanted < range.first || wanted > range.last))
        throw new AllocationError(
          `provided port is not in the valid range. The range of valid ports is ${range.first}-${range.last}`,
        );
      return swap((bits) => {
        const offset = wanted === undefined ? freeBit(bits, size, random) : wanted - range.first;
        if (offset === undefined) throw new AllocationError('range is full');
        if (isSet(bits, offset)) throw new AllocationError('provided port is already allocated');
        set(bits, offset, true);
        return { result: range.first + offset, isChanged: !dryRun };
      });
    },
    release(ports) {
      const own = ports.filter((p) => p >= range.first && p <= range.last);
      if (own.length === 0) return Promise.resolve();
      return swap((bits) => {
        for (const port of own) set(bits, port - range.first, false);
        return { result: undefined, isChanged: true };
      });
    },
    async allocated() {
      const { bits } = await read();
      return Array.from({ length: size }, (_, i) => i)
        .filter((i) => isSet(bits, i))
        .map((i) => range.first + i);
    },
  };
}

function freeBit(bits: Buffer, size: number, random: () => number): number | undefined {
  const start = Math.floor(random() * size);
  for (let i = 0; i < size; i++) if (!isSet(bits, (start + i) % size)) return (start + i) % size;
  return undefined;
}

function isSet(bits: Buffer, offset: number): boolean {
  return (bits[bits.length - 1 - (offset >> 3)]! & (1 << (offset & 7))) !== 0;
}

function set(bits: Buffer, offset: number, value: boolean): void {
  const at = bits.length - 1 - (offset >> 3);
  bits[at] = value ? bits[at]! | (1 << (offset & 7)) : bits[at]! & ~(1 << (offset & 7));
}
