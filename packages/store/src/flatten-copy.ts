import { allDone, assert, MiB } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import {
  blocksOf,
  countBits,
  emptyEntry,
  entriesEach,
  hasZero,
  isOwn,
  readEntry,
  runsOf,
  writeEntry,
  type ChunkEntry,
  type Piece,
} from './format/map-leaf.ts';
import { takeSlot } from './fresh-slot.ts';
import { copyPacked, moveBlocks } from './gather.ts';
import { addCounts, countsOf, type Homing } from './homing.ts';
import type { Freed } from './freed.ts';
import type { ObjectState, PoolParts, StoreState } from './state.ts';
import type { Turns } from './turns.ts';

/** Copied by one checkpoint besides what it brings home: no leaf (32 chunks) is begun behind so much, or when so many were looked at. */
export const copiedAtOnceBytes = 8 * MiB;
const leavesAtOnce = 1024;
/** Chunks that are copied at once. */
const chunksAtOnce = 4;

/**
 * Copies some more in the checkpoint that runs, behind what was written: that needs no copy. `objects`: those that it took, and one that came
 * later has nothing of the origin's. `homingOf`: how an object's changes are brought home.
 */
export async function copySome(
  store: StoreState,
  objects: readonly ObjectState[],
  homingOf: (object: ObjectState) => Homing,
  turns: Turns,
): Promise<void> {
  const { flattening } = store;
  if (flattening === undefined) return;
  const { object: first, leaf: firstLeaf, damagedBlocks } = flattening.reached;
  const copied: Copied = { blocks: 0, damaged: damagedBlocks };
  let leaves = 0;
  for (const object of objects.toSorted((a, b) => a.id - b.id)) {
    if (object.id < first) continue;
    const homing = homingOf(object);
    if (homing.pool.broken === 'origin-forgotten') continue;
    let leaf = await object.tree.nextLeaf(object.id === first ? firstLeaf : 0);
    for (; leaf >= 0; leaf = await object.tree.nextLeaf(leaf + 1)) {
      flattening.reached = { object: object.id, leaf, damagedBlocks: copied.damaged };
      if (leaves === leavesAtOnce || copied.blocks * blockSize >= copiedAtOnceBytes) return;
      await copyLeaf(homing, store.floor, leaf, copied, turns);
      leaves += 1;
    }
  }
  flattening.reached = { object: Infinity, leaf: 0, damagedBlocks: copied.damaged };
}

/** What was copied is committed. */
export function flattened(store: StoreState): void {
  const { flattening } = store;
  assert(flattening !== undefined, 'what was copied was wanted');
  const isDone = isFlat(store);
  flattening.isWanted = false;
  flattening.committed = flattening.reached;
  if (isDone) Object.assign(store, noOrigin);
}

/** The checkpoint failed: the one that is tried instead copies nothing. */
export function abandonFlattening({ flattening }: StoreState): void {
  if (flattening === undefined) return;
  flattening.isWanted = false;
  flattening.reached = flattening.committed;
}

/** The running checkpoint leaves nothing that is the origin's: as it has no snapshots either, the store is on its own behind the commit. */
export function isFlat({ flattening }: StoreState): boolean {
  return flattening?.reached.object === Infinity;
}

export const noOrigin: Pick<StoreState, 'origin' | 'floor'> = { origin: undefined, floor: -1 };

/** Sums of what was copied. */
type Copied = { blocks: number; damaged: number };

async function copyLeaf(homing: Homing, floor: number, leaf: number, copied: Copied, turns: Turns): Promise<void> {
  const there = await homing.object.tree.current(leaf);
  if (there === undefined) return;
  const isOrigins = ({ birth }: Piece): boolean => birth <= floor;
  const indexes: number[] = [];
  for (let index = 0; index < entriesEach; index += 1) {
    if (readEntry(there.view, index).pieces.some(isOrigins)) indexes.push(index);
  }
  if (indexes.length === 0) return;
  const { view } = await homing.object.tree.change(leaf);
  const shared = homing.shared.inLeaf(leaf);
  for (let at = 0; at < indexes.length; at += chunksAtOnce) {
    if (turns.isOver) await turns.next();
    const some = indexes.slice(at, at + chunksAtOnce);
    await allDone(
      some.map(async (index) => {
        const entry = readEntry(view, index);
        const before = countsOf(homing.pool, entry, shared);
        await copyEntry(homing, entry, isOrigins, shared, copied);
        addCounts(homing.object, leaf, before, countsOf(homing.pool, entry, shared));
        writeEntry(view, index, entry);
      }),
    );
  }
}

/** What is compressed stays so, in a slot for each piece, where that takes less room; the rest of what is the origin's goes together. */
async function copyEntry(
  homing: Homing,
  entry: ChunkEntry,
  isOrigins: (piece: Piece) => boolean,
  shared: number,
  copied: Copied,
): Promise<void> {
  const origins = entry.pieces.filter(isOrigins);
  const packed = origins.filter((piece) => piece.packed > 0 && piece.packed < countBits(piece));
  const loose = origins.filter((piece) => !packed.includes(piece));
  const stay = entry.pieces.filter((piece) => !isOrigins(piece));
  // The rest of a slot that is whole is taken as well.
  if (homing.pool.places.isWhole) copied.blocks += homing.pool.blocksEach - blocksOf({ ...emptyEntry, pieces: loose });
  for (const piece of packed) stay.push(await copyCompressed(homing, piece, copied));
  if (loose.length > 0) {
    const own = stay.find((piece) => isOwn(piece, shared));
    const into = own ?? newPiece(homing, entry);
    for (const piece of loose) await copyLoose(homing, piece, into, copied);
    if (own === undefined) stay.push(into);
  }
  entry.pieces = stay;
}

async function copyCompressed({ pool, freed, birth }: Homing, piece: Piece, copied: Copied): Promise<Piece> {
  const slot = takeFresh(pool, freed);
  // The host may have kept the room of an earlier life of the slot.
  for (let block = piece.packed; block < pool.blocksEach; block += 1) freed.blocks.add(slot, block);
  const damaged = await copyPacked(pool, piece, slot);
  copied.blocks += piece.packed;
  copied.damaged += damaged;
  return { ...piece, slot, birth };
}

/** To the first piece that is the clone's own and not compressed. */
async function copyLoose({ pool, freed }: Homing, piece: Piece, into: Piece, copied: Copied): Promise<void> {
  for (const { block, blocks } of runsOf(piece, pool.blocksEach)) {
    freed.blocks.keep(into.slot, block, block + blocks);
    copied.blocks += blocks;
  }
  // Not before that is done: others add to the sum meanwhile.
  const damaged = await moveBlocks(pool, piece, into);
  copied.damaged += damaged;
}

/** An empty one of the clone's own, in which the zeros of a chunk keep their room. */
function newPiece({ pool, freed, birth }: Homing, entry: ChunkEntry): Piece {
  const slot = takeFresh(pool, freed);
  keepRoom(pool, entry, (run) => freed.reserved.push({ slot, ...run }));
  return { slot, birth, low: 0, high: 0, packed: 0 };
}

function takeFresh(pool: PoolParts, freed: Freed): number {
  const slot = takeSlot(pool);
  freed.taken.push(slot);
  pool.slots.setDurable(slot, true);
  return slot;
}

/** Runs of blocks that read as zeros and keep their room, which the first piece of the clone's own has to have. */
function keepRoom(
  pool: PoolParts,
  entry: ChunkEntry,
  keep: (run: { readonly block: number; readonly blocks: number }) => void,
): void {
  for (let block = 0; block < pool.blocksEach; block += 1) {
    const first = block;
    while (block < pool.blocksEach && hasZero(entry, block)) block += 1;
    if (block > first) keep({ block: first, blocks: block - first });
  }
}
