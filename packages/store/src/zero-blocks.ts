import { isPromise, type Settled } from '@ashlar/core';
import { blockSize } from './checksum.ts';
import { entriesEach, hasEntry } from './format/map-leaf.ts';
import { recordClear } from './record-clear.ts';
import type { Target } from './target.ts';

const zeroBlock = Buffer.alloc(blockSize);

/** Whether the block at `at` is zeros. The first eight bytes say of most that it is not. */
function isZeroBlock(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at]! | bytes[at + 1]! | bytes[at + 2]! | bytes[at + 3]!;
  const more = bytes[at + 4]! | bytes[at + 5]! | bytes[at + 6]! | bytes[at + 7]!;
  return (first | more) === 0 && zeroBlock.compare(bytes, at, at + blockSize) === 0;
}

/** Whether any of whole blocks is zeros. */
export function hasZeroBlock(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += blockSize) if (isZeroBlock(bytes, at)) return true;
  return false;
}

/** Blocks that follow each other and are all zeros, or none of them. Bytes of what they were found in. */
type ZeroRun = { readonly isZero: boolean; readonly start: number; readonly end: number };

/** Whole blocks, in their order. */
export function* zeroRuns(bytes: Uint8Array): Generator<ZeroRun> {
  for (let start = 0; start < bytes.length;) {
    const isZero = isZeroBlock(bytes, start);
    let end = start + blockSize;
    while (end < bytes.length && isZeroBlock(bytes, end) === isZero) end += blockSize;
    yield { isZero, start, end };
    start = end;
  }
}

/** Zeros that were written are a hole from then on. Where nothing is known of a chunk there is one already. */
export function writeZeros(target: Target, from: number, to: number): Settled<void> {
  const { chunkSizeBytes } = target.pool;
  const chunks = new Set<number>();
  for (let chunk = Math.floor(from / chunkSizeBytes); chunk * chunkSizeBytes < to; chunk += 1) {
    if (mayHaveAny(target, chunk)) chunks.add(chunk);
  }
  if (chunks.size > 0) return recordClear(target, from, to, false, chunks);
}

/** Whether anything of the chunk is in the overlay or the map; true where the map's page is not in memory. */
function mayHaveAny({ object }: Target, chunk: number): boolean {
  if (object.overlay.has(chunk)) return true;
  const leaf = object.tree.leaf(Math.floor(chunk / entriesEach));
  if (!isPromise(leaf)) return leaf !== undefined && hasEntry(leaf.view, chunk % entriesEach);
  // The checkpoint needs it, and hears of it where it cannot be read.
  leaf.catch(() => undefined);
  return true;
}
