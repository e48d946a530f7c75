import { isPromise, KiB, MiB, type Settled } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, slotOf } from './format/map-leaf.ts';
import type { Page } from './page-file.ts';
import type { PoolParts, Readable } from './state.ts';
import { Turns } from './turns.ts';

/** What is asked of the disk at once: short enough that a read keeps it, and that nobody waits long behind it. */
const partBytes = 32 * KiB;
/** Data that one call looks after at most: a hint is never a reason to keep a stop, or a device, waiting. */
const mostBytes = 64 * MiB;

/**
 * Brings blocks of [offset, offset + length) that are home to the cache: the first ones, as many as it holds and one call looks
 * after. What is cached already, in the overlay or a hole costs no I/O. `read` reads a range of the object, as for a caller.
 */
export async function prefetchObject(
  pool: PoolParts,
  object: Readable,
  offset: number,
  length: number,
  read: (offset: number, into: Uint8Array) => Settled<void>,
): Promise<void> {
  const leafBytes = entriesEach * pool.chunkSizeBytes;
  const turns = new Turns(pool.host);
  const into = pool.host.alignedBuffer(partBytes);
  let left = Math.min(mostBytes, pool.cache.limitBytes);
  for (let at = offset - (offset % partBytes); at < offset + length && left > 0;) {
    const index = await object.tree.nextLeaf(Math.floor(at / leafBytes));
    const leaf = index < 0 ? undefined : await object.tree.leaf(index);
    if (index < 0) return;
    at = Math.max(at, index * leafBytes);
    const end = Math.min(offset + length, (index + 1) * leafBytes);
    for (; leaf !== undefined && at < end && left > 0; at += partBytes) {
      if (turns.isOver) await turns.next();
      // It may have been made smaller meanwhile.
      const size = Math.min(partBytes, object.sizeBytes - at);
      if (size <= 0) return;
      const state = stateOf(pool, leaf, at, size);
      if (state === 'hole') continue;
      left -= size;
      if (state === 'cached') continue;
      await pool.cache.growth();
      const done = read(at, into.subarray(0, size));
      if (isPromise(done)) await done;
      turns.begin();
    }
    at = Math.max(at, end);
  }
}

/** What is known of a part, which lies in one chunk. */
function stateOf(
  { cache, chunkSizeBytes, blocksEach }: PoolParts,
  leaf: Page,
  offset: number,
  size: number,
): 'hole' | 'cached' | 'missing' {
  const entry = Math.floor(offset / chunkSizeBytes) % entriesEach;
  const first = (offset % chunkSizeBytes) / blockSize;
  let state: 'hole' | 'cached' = 'hole';
  for (let block = first; block < first + size / blockSize; block += 1) {
    const slot = slotOf(leaf.view, entry, block);
    if (slot < 0) continue;
    if (!cache.has(slot * blocksEach + block)) return 'missing';
    state = 'cached';
  }
  return state;
}
