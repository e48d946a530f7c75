import { AshlarError, type Credentials, type Settled } from '@ashlar/core';
import { modeAfterWrite } from '../permissions.ts';
import { roomFor } from './attributes.ts';
import type { Inode } from './inode.ts';
import type { TreeState } from './tree-state.ts';

/** 64 TiB: where the regions of a file begin is half a MiB of memory then. */
export const mostFileBytes = 2 ** 46;

/** `trimmed` is asked for before the inode is committed, and need not have settled by then: both are of one sequence. */
export type Resized = { readonly inode: Inode; readonly trimmed: Settled<void> };

/**
 * Gives a file another size: what is cut off reads as zeros when it grows again, and so does what lies behind its end, where something may have been written that its
 * size was never made to have.
 */
export function resized(state: TreeState, inode: Inode, sizeBytes: number, who: Credentials): Resized {
  if (sizeBytes > mostFileBytes) throw new AshlarError('too-big', `a file has at most ${mostFileBytes} bytes`);
  const now = state.clock.now(inode.changed);
  const from = Math.min(inode.sizeBytes, sizeBytes);
  const to = Math.max(inode.sizeBytes, sizeBytes);
  const changed: Inode = {
    ...inode,
    sizeBytes,
    usedBytes: Math.min(inode.usedBytes, roomFor(sizeBytes)),
    mode: modeAfterWrite(inode.mode, who),
    modified: now,
    changed: now,
  };
  return { inode: changed, trimmed: from === to ? undefined : state.bytes.trim(inode.regions, from, to - from) };
}
