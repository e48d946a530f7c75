import { andThen, type Settled } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, slotOf } from './format/map-leaf.ts';
import { hole, nothing, reserved } from './overlay.ts';
import { nextSequence } from './snapshots.ts';
import { indexFrom } from './sorted.ts';
import { recordClear } from './record-clear.ts';
import { beginChange, type Target } from './target.ts';
import { promiseRoom } from './promise-room.ts';
import { floorBlock, writeMerged } from './write.ts';

/** Chunks that one record clears: bounds the work of one turn. */
const chunksAtOnce = 1024;

/**
 * Makes a range read as zeros: whole blocks by a record, the ends by writing. `keep`: room for it stays, or is made,
 * reserved.
 */
export async function clearObject(
  target: Target,
  offset: number,
  length: number,
  keep: boolean,
  durable: boolean,
): Promise<void> {
  const { pool, object } = target;
  const end = offset + length;
  await object.locks.run(floorBlock(offset), floorBlock(end + blockSize - 1), async () => {
    const first = floorBlock(offset + blockSize - 1);
    // The object's last block is whole where the range goes to the object's end.
    const last = end === object.journaledSize ? floorBlock(end + blockSize - 1) : floorBlock(end);
    if (first >= last) {
      if (length > 0) await clearPart(target, offset, Math.min(length, first - offset), keep);
      if (end > first) await clearPart(target, first, end - first, keep);
      return;
    }
    if (offset < first) await clearPart(target, offset, first - offset, keep);
    await clearBlocks(target, first, last, keep);
    if (last < end) await clearPart(target, last, end - last, keep);
  });
  if (durable) await pool.group.sync();
}

/** Zeros over a part of one block; nothing where it reads as zeros already and no room need be kept. */
async function clearPart(target: Target, offset: number, length: number, keep: boolean): Promise<void> {
  if (keep || !(await target.object.tree.stable(() => readsAsZeros(target, offset)))) {
    await writeMerged(target, offset, new Uint8Array(length), keep);
  }
}

function readsAsZeros({ pool, object }: Target, offset: number): Settled<boolean> {
  const chunk = Math.floor(offset / pool.chunkSizeBytes);
  const block = Math.floor((offset % pool.chunkSizeBytes) / blockSize);
  return andThen(object.tree.leaf(Math.floor(chunk / entriesEach)), (leaf) => {
    const code = object.overlay.layerOf(chunk, block)?.codes[block] ?? nothing;
    if (code !== nothing) return code === hole || code === reserved;
    return leaf === undefined || slotOf(leaf.view, chunk % entriesEach, block) < 0;
  });
}

async function clearBlocks(target: Target, from: number, to: number, keep: boolean): Promise<void> {
  const { pool, store, object } = target;
  const step = chunksAtOnce * pool.chunkSizeBytes;
  // Nobody else writes to the range meanwhile: what the overlay loses on the way is in the map then, and what it has is here.
  const journaled = journaledChunks(target, from, to);
  for (let at = from; at < to;) {
    const end = Math.min(to, at - (at % step) + step);
    const { generation } = store;
    let promised = keep ? await promiseRoom(target, at, end - at) : 0;
    try {
      const chunks = await object.tree.stable(() => chunksToClear(target, at, end, keep, journaled));
      if (keep && store.generation !== generation) {
        pool.room.withdraw(promised, store.reservation);
        promised = 0;
        continue;
      }
      if (chunks.size > 0) await recordClear(target, at, end, keep, chunks);
    } finally {
      pool.room.recorded(promised, store.reservation);
    }
    at = keep ? end : await object.tree.stable(() => nextToClear(target, end, journaled));
  }
}

/** Whose range is cleared. */
type Cleared = Pick<Target, 'pool' | 'object'>;

/** The chunks of the range that the overlay has anything of, in order. */
export function journaledChunks({ pool, object: { overlay } }: Cleared, from: number, to: number): Float64Array {
  const first = Math.floor(from / pool.chunkSizeBytes);
  const last = Math.floor((to - 1) / pool.chunkSizeBytes);
  const found = new Set<number>();
  for (const layer of overlay.layers()) {
    if (last - first < layer.size) {
      for (let chunk = first; chunk <= last; chunk += 1) if (layer.has(chunk)) found.add(chunk);
    } else for (const chunk of layer.keys()) if (chunk >= first && chunk <= last) found.add(chunk);
  }
  return Float64Array.from(found).sort();
}

/** Where the next chunk may be that has anything, at or behind `at`: a trim of a tebibyte does not look at each chunk. */
async function nextToClear({ pool, object }: Target, at: number, journaled: Float64Array): Promise<number> {
  const leafBytes = pool.chunkSizeBytes * entriesEach;
  const leaf = await object.tree.nextLeaf(Math.floor(at / leafBytes));
  const chunk = journaled[indexFrom(journaled, Math.floor(at / pool.chunkSizeBytes))];
  const mapped = leaf < 0 ? Number.MAX_SAFE_INTEGER : leaf * leafBytes;
  const next = chunk === undefined ? Number.MAX_SAFE_INTEGER : chunk * pool.chunkSizeBytes;
  return Math.max(at, Math.min(mapped, next));
}

/** The chunks of the range that have anything to clear; all of them where room must be kept. `journaled`: those of the overlay, some others perhaps. */
export async function chunksToClear(
  { pool, object }: Cleared,
  from: number,
  to: number,
  keep: boolean,
  journaled: Float64Array,
): Promise<Set<number>> {
  const chunks = new Set<number>();
  const end = Math.floor((to - 1) / pool.chunkSizeBytes) + 1;
  for (let chunk = Math.floor(from / pool.chunkSizeBytes); chunk < end;) {
    const leaf = Math.floor(chunk / entriesEach);
    const stop = Math.min(end, (leaf + 1) * entriesEach);
    const there = keep || (await object.tree.leaf(leaf)) !== undefined;
    for (; chunk < stop; chunk += 1) if (there) chunks.add(chunk);
  }
  for (let at = indexFrom(journaled, Math.floor(from / pool.chunkSizeBytes)); at < journaled.length; at += 1) {
    if (journaled[at]! >= end) break;
    chunks.add(journaled[at]!);
  }
  return chunks;
}

/** Changes the size: what is cut off reads as zeros when the object grows again (rule 8). */
export async function resizeObject(target: Target, sizeBytes: number): Promise<void> {
  const { pool, store, object } = target;
  const before = object.sizeBytes;
  if (sizeBytes < before) {
    object.sizeBytes = sizeBytes;
    if (pool.broken !== 'tail-not-cleared') await clearTail(target, sizeBytes, before);
  }
  const builder = pool.group.record(16, 0);
  beginChange(target);
  builder.truncate({ store: store.id, sequence: nextSequence(store) }, object.id, sizeBytes);
  object.sizeBytes = sizeBytes;
  object.journaledSize = sizeBytes;
  await pool.group.added();
  await pool.group.sync();
}

/** What cannot be cleared is not cut off: it would be there again when the object grows. */
async function clearTail(target: Target, sizeBytes: number, before: number): Promise<void> {
  const { object } = target;
  try {
    await clearObject(target, sizeBytes, before - sizeBytes, false, false);
  } catch (error) {
    if (object.sizeBytes === sizeBytes) object.sizeBytes = before;
    throw error;
  }
}
