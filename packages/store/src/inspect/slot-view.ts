import { AshlarError, type ObjectId, type StoreId } from '@ashlar/core';
import { blockSize, checksumOf } from '../checksum.ts';
import { rootOf } from '../kept.ts';
import { bitmapKey, opened, type ObjectRecord } from '../records/keys.ts';
import { checksumLeafOf, checksumsEach } from '../slot-checksums.ts';
import { slotsInBitmap } from '../slot-bitmap.ts';
import { walkMap } from './map-rows.ts';
import type { JournalView } from './journal-view.ts';
import { checksumRootOf, type PoolFiles } from './pool-files.ts';
import { deadOf, statesOf, type Owner } from './states.ts';

/** A piece of a map that lies in a slot. */
export type SlotReferrer = Owner & {
  /** The map is being deleted. */
  readonly isDead: boolean;
  readonly chunk: number;
  readonly birth: number;
  readonly low: number;
  readonly high: number;
  /** In how many blocks of the slot the piece lies compressed; 0 where it does not. */
  readonly packed: number;
};

export type SlotBlock = {
  readonly block: number;
  /** What the table says its bytes should give; undefined where the table's page is damaged. */
  readonly checksum: number | undefined;
  /** What they give. */
  readonly found: number;
};

export type SlotView = {
  readonly slot: number;
  readonly path: string;
  readonly offset: number;
  /** Whether the last checkpoint has it as in use; undefined where the record that says so is damaged. */
  readonly isUsed: boolean | undefined;
  /** Pieces of committed maps. */
  readonly referrers: readonly SlotReferrer[];
  /** Parts of objects that the journal, behind the last checkpoint, points to it for. */
  readonly journal: readonly { readonly store: StoreId; readonly object: ObjectId; readonly chunk: number }[];
  readonly blocks: readonly SlotBlock[];
};

/** Everything that is known of one slot. Walks every map for those that refer to it. Fails with `out-of-range`. */
export async function viewSlot(pool: PoolFiles, journal: JournalView, slot: number): Promise<SlotView> {
  const place = slot < pool.data.end ? pool.data.placeOf(slot) : undefined;
  if (place === undefined) {
    const message = `there is no slot ${slot} in this pool: it has places for slots 0 to ${pool.data.end - 1}`;
    throw new AshlarError('out-of-range', message, { path: pool.path });
  }
  const named = [];
  for (const { record } of journal.taken()) {
    if (record.kind !== 'slots' || record.slot !== slot) continue;
    named.push({ store: record.store, object: record.object, chunk: record.chunk });
  }
  return {
    slot,
    ...place,
    isUsed: isUsed(pool, slot),
    referrers: await referrersOf(pool, new Set([slot])).then((found) => found.get(slot) ?? []),
    journal: named,
    blocks: await blocksOf(pool, slot),
  };
}

function isUsed({ records }: PoolFiles, slot: number): boolean | undefined {
  const index = Math.floor(slot / slotsInBitmap);
  const key = bitmapKey('slots', index);
  const bytes = records.get(key);
  if (bytes === undefined) return false;
  try {
    const at = slot % slotsInBitmap;
    return (((opened(key, bytes)[at >>> 3] ?? 0) >>> (at & 7)) & 1) === 1;
  } catch (error) {
    if (error instanceof AshlarError && error.kind === 'corrupt') return undefined;
    throw error;
  }
}

/** Every piece of every map, of snapshots and of what is being deleted as well, that lies in one of the slots. */
export async function referrersOf(pool: PoolFiles, slots: ReadonlySet<number>): Promise<Map<number, SlotReferrer[]>> {
  const found = new Map<number, SlotReferrer[]>();
  for (const { store, object, snapshot, record } of statesOf(pool)) {
    await referrersIn(pool, { store, object, snapshot, isDead: false }, record, slots, found);
  }
  for (const { record } of deadOf(pool)) {
    const { store, object } = record;
    await referrersIn(pool, { store, object, snapshot: undefined, isDead: true }, record, slots, found);
  }
  return found;
}

async function referrersIn(
  pool: PoolFiles,
  owner: Owner & { readonly isDead: boolean },
  record: Pick<ObjectRecord, 'root' | 'levels'>,
  slots: ReadonlySet<number>,
  found: Map<number, SlotReferrer[]>,
): Promise<void> {
  await walkMap(pool, rootOf(record), (row) => {
    if (row.kind !== 'chunk') return;
    for (const { slot, birth, low, high, packed } of row.entry.pieces) {
      if (!slots.has(slot)) continue;
      const list = found.get(slot) ?? [];
      found.set(slot, list);
      list.push({ ...owner, chunk: row.chunk, birth, low, high, packed });
    }
  });
}

async function blocksOf(pool: PoolFiles, slot: number): Promise<SlotBlock[]> {
  const bytes = new Uint8Array(pool.superblock.chunkSizeBytes);
  await pool.data.read(slot, 0, bytes);
  const first = slot * pool.blocksEach;
  const leaf = await pool.pages.leaf(checksumRootOf(pool), checksumLeafOf(first));
  return Array.from({ length: pool.blocksEach }, (_, block) => ({
    block,
    checksum: leaf === 'damaged' ? undefined : (leaf?.view.getUint32(((first % checksumsEach) + block) * 4, true) ?? 0),
    found: checksumOf(bytes.subarray(block * blockSize, (block + 1) * blockSize)),
  }));
}
