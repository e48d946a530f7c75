import { isPromise, type ObjectId, type Settled, type StoreId } from '@ashlar/core';
import { entriesEach, readEntry, type ChunkEntry } from '../format/map-leaf.ts';
import type { TreeRoot } from '../page-tree.ts';
import { getPacked, objectKey, type ObjectRecord } from '../records/keys.ts';
import { walkTree } from './page-reader.ts';
import type { PoolFiles } from './pool-files.ts';

/** What the last checkpoint committed of one chunk of an object, or a run of chunks that a damaged page hides. */
export type MapRow =
  | { readonly kind: 'chunk'; readonly chunk: number; readonly entry: ChunkEntry }
  | { readonly kind: 'damaged'; readonly page: number; readonly chunk: number; readonly endChunk: number };

/** What the database says of an object: nothing where only the journal knows it. Fails with `corrupt`. */
export function objectRecordOf(
  { records }: Pick<PoolFiles, 'records'>,
  store: StoreId,
  object: ObjectId,
): ObjectRecord | undefined {
  return getPacked<ObjectRecord>(records, objectKey(store, object));
}

/** The chunks of a map that are in it, in order; `visit` is told one after the other. */
export async function walkMap(pool: PoolFiles, root: TreeRoot, visit: (row: MapRow) => Settled<void>): Promise<void> {
  const damaged: MapRow[] = [];
  const tell = async (): Promise<void> => {
    for (const row of damaged.splice(0)) await visit(row);
  };
  await walkTree(pool.pages, root, {
    met: () => true,
    damaged: ({ page }, first, end) => {
      damaged.push({ kind: 'damaged', page, chunk: first * entriesEach, endChunk: end * entriesEach });
    },
    leaf: async (index, { view }) => {
      if (damaged.length > 0) await tell();
      for (let at = 0; at < entriesEach; at += 1) {
        const entry = readEntry(view, at);
        if (entry.pieces.length === 0 && (entry.zeroLow | entry.zeroHigh) === 0) continue;
        const seen = visit({ kind: 'chunk', chunk: index * entriesEach + at, entry });
        if (isPromise(seen)) await seen;
      }
    },
  });
  await tell();
}
