import { isPromise, type Settled } from '@ashlar/core';
import { entriesEach, hasEntry } from './format/map-leaf.ts';
import { recordClear } from './record-clear.ts';
import type { Target } from './target.ts';

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
