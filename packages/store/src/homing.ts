import type { Compression } from '@ashlar/core';
import type { ChunkOverlay } from './chunk-overlay.ts';
import { blocksOf, ownBlocksOf, ownSlotsOf, savedOf, type ChunkEntry } from './format/map-leaf.ts';
import type { Freed } from './freed.ts';
import type { Shared } from './shared.ts';
import type { ObjectState, PoolParts } from './state.ts';
import type { Transfers } from './transfers.ts';

/** What bringing the chunks of one generation of an object home needs besides them. What is begun is added to `transfers`. */
export type Homing = {
  readonly pool: PoolParts;
  readonly object: ObjectState;
  readonly freed: Freed;
  readonly transfers: Transfers;
  /** Of the pieces that are new. */
  readonly birth: number;
  /** Which pieces are snapshots' as well: nothing is written to those, and they are not freed. */
  readonly shared: Shared;
  readonly compression: Compression;
};

/** A chunk whose entry changes. */
export type Placing = {
  readonly homing: Homing;
  readonly chunk: number;
  readonly entry: ChunkEntry;
  readonly overlay: ChunkOverlay;
  /** Pieces up to that birth are snapshots' as well. */
  readonly shared: number;
  /** All that were there are: the room that zeros keep is the snapshots' then, and is kept anew in the first piece of its own. */
  readonly moves: boolean;
};

/** Blocks of a chunk: that it takes, that it saves, and that are its object's own, where slots are whole those of whole slots. */
type Counts = { readonly blocks: number; readonly saved: number; readonly own: number };

export function countsOf(pool: PoolParts, entry: ChunkEntry, shared: number): Counts {
  return { blocks: blocksOf(entry), saved: savedOf(entry), own: ownOf(pool, entry, shared) };
}

/** Blocks of a chunk that are its object's own. */
export function ownOf({ blocksEach, places }: PoolParts, entry: ChunkEntry, shared: number): number {
  return places.isWhole ? ownSlotsOf(entry, shared) * blocksEach : ownBlocksOf(entry, shared);
}

/** Whether there is room to have so many bytes of the object twice until the commit. What that comes to the next checkpoint knows. */
export function holdsCopy({ object, pool: { room, stores } }: Homing, bytes: number): boolean {
  if (!room.holds(bytes, stores.get(object.store)?.reservation)) return false;
  room.recorded(bytes);
  return true;
}

/** The running checkpoint changed a chunk of a leaf. */
export function addCounts(object: ObjectState, leaf: number, before: Counts, after: Counts): void {
  object.mappedBlocks += after.blocks - before.blocks;
  object.mappedSaved += after.saved - before.saved;
  object.own.add(leaf, after.own - before.own);
}
