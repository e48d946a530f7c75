import { blockSize } from './checksum.ts';
import { hole, reserved } from './overlay.ts';
import { nextSequence } from './snapshots.ts';
import { beginChange, type Target } from './target.ts';

/** Clears whole blocks, in the journal and in the overlay. `chunks`: those of the range that have anything to clear. */
export function recordClear(
  target: Target,
  from: number,
  to: number,
  keep: boolean,
  chunks: ReadonlySet<number>,
): Promise<void> {
  const { pool, store, object } = target;
  const builder = pool.group.record(32, 0);
  applyClear(target, from, to, keep, chunks, (block) => pool.group.retire(block));
  if (!keep) pool.room.giveUp();
  builder.clear({ store: store.id, sequence: nextSequence(store) }, object.id, from, to - from, keep);
  return pool.group.added();
}

/** Sets the overlay's codes for a range of whole blocks; recovery does the same. */
export function applyClear(
  target: Target,
  from: number,
  to: number,
  keep: boolean,
  chunks: ReadonlySet<number>,
  retire: (block: number) => void,
): void {
  const { pool, object } = target;
  beginChange(target);
  for (const chunk of chunks) {
    const base = chunk * pool.chunkSizeBytes;
    const first = Math.max(0, from - base) / blockSize;
    const last = Math.min(pool.chunkSizeBytes, to - base) / blockSize;
    const overlay = object.overlay.chunk(chunk);
    for (let block = first; block < last; block += 1) {
      const hidden = object.overlay.set(overlay, block, keep ? reserved : hole);
      if (hidden >= 0) retire(hidden);
    }
  }
}
