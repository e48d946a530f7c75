import {
  andThen,
  AshlarError,
  isPromise,
  type BlockBitmaps,
  type BlockDevice,
  type BlockHistory,
  type Change,
  type Extent,
  type Settled,
} from '@ashlar/core';
import { extentFlag } from '../codec/constants.ts';
import type { ContextSource, MetaContext } from './negotiation.ts';

/** One descriptor: bytes, and what the context says of them (proto.md, "Metadata querying"). */
export type StatusRun = { readonly length: number; readonly flags: number };

/** What one context says of a range, from its beginning on. */
export type ContextRuns = { readonly id: number; readonly runs: readonly StatusRun[] };

/** Of `qemu:dirty-bitmap:…` (docs/interop/nbd.rst of QEMU). */
const dirty = 1;

/** What each of the contexts says of a range, at most `limit` runs each. Answers at once where the device does. */
export function statusOf(
  device: BlockDevice,
  contexts: readonly MetaContext[],
  offset: number,
  length: number,
  limit: number,
): Settled<readonly ContextRuns[]> {
  const found = contexts.map(({ id, source }) =>
    andThen(runsOf(device, source, offset, length, limit), (runs): ContextRuns => ({ id, runs })),
  );
  return found.some(isPromise) ? Promise.all(found) : (found as ContextRuns[]);
}

function runsOf(
  device: BlockDevice,
  source: ContextSource,
  offset: number,
  length: number,
  limit: number,
): Settled<readonly StatusRun[]> {
  switch (source.kind) {
    case 'allocation':
      return andThen(device.extents(offset, length, limit), (extents) =>
        extents.map((extent) => ({ length: extent.length, flags: allocationFlags(extent) })),
      );
    case 'depth':
      return andThen(historyOf(device).depths(offset, length, limit), (depths) =>
        depths.map((run) => ({ length: run.length, flags: run.depth })),
      );
    case 'changes':
      return andThen(historyOf(device).changesSince(source.since, offset, length, limit), statusOfChanges);
    case 'bitmap':
      return andThen(bitmapsOf(device).changes(source.name, offset, length, limit), statusOfChanges);
  }
}

const statusOfChanges = (changes: readonly Change[]): readonly StatusRun[] =>
  changes.map((run) => ({ length: run.length, flags: run.isChanged ? dirty : 0 }));

function bitmapsOf({ bitmaps }: BlockDevice): BlockBitmaps {
  if (bitmaps !== undefined) return bitmaps;
  throw new AshlarError('unsupported', 'this export has no bitmaps');
}

function historyOf({ history }: BlockDevice): BlockHistory {
  if (history !== undefined) return history;
  throw new AshlarError('unsupported', 'nothing is known of the past of this export');
}

function allocationFlags({ state }: Extent): number {
  if (state === 'data') return 0;
  return state === 'zero' ? extentFlag.zero : extentFlag.zero | extentFlag.hole;
}
