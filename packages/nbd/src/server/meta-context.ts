import { andThen, type BlockDevice, type Extent, type Settled } from '@ashlar/core';
import { baseAllocation, extentFlag } from '../codec/constants.ts';

/** What a context says of a run of bytes; runs follow each other without gap. */
export type StatusRun = { readonly length: number; readonly flags: number };

/** The answer of one context; `id` is its number on the connection. */
export type ContextStatus = { readonly id: number; readonly runs: readonly StatusRun[] };

/** A metadata context: a question that BLOCK_STATUS asks (proto.md, "Metadata querying"). */
export type MetaContext = {
  /** Namespace, colon, leaf. */
  readonly name: string;
  /** Runs from `offset`, at least one, at most `limit`, not beyond the range. */
  describe(device: BlockDevice, offset: number, length: number, limit: number): Settled<readonly StatusRun[]>;
};

function flagsOf({ state }: Extent): number {
  if (state === 'data') return 0;
  return state === 'zero' ? extentFlag.zero : extentFlag.zero | extentFlag.hole;
}

function runsOf(extents: readonly Extent[]): readonly StatusRun[] {
  return extents.map((extent) => ({ length: extent.length, flags: flagsOf(extent) }));
}

/** proto.md, "base:allocation metadata context". */
export const allocationContext: MetaContext = {
  name: baseAllocation,
  describe: (device, offset, length, limit) => andThen(device.extents(offset, length, limit), runsOf),
};
