import { assert, MiB, type StoreId } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { blockSize, firstDamaged } from './checksum.ts';
import type { BrokenRule } from './broken-rule.ts';
import { chunksToClear, journaledChunks } from './clear.ts';
import { Damage } from './damage.ts';
import type { DataFiles } from './data-files.ts';
import { maxFrameBytes, type JournalRecord } from './format/journal-frame.ts';
import type { Kept } from './journal.ts';
import { firstOf, type JournalSpan } from './journal-history.ts';
import { contentsOf, dataOf, headerOf, JournalScan, segmentOf, type Found } from './journal-scan.ts';
import { newObject } from './object-store.ts';
import { corrupt, firstArena } from './overlay.ts';
import { slotBlock, type SlotRef } from './chunk-overlay.ts';
import { emptyTree } from './page-tree.ts';
import { applyClear } from './record-clear.ts';
import type { StoreRecord } from './records/keys.ts';
import { endGeneration } from './snapshots.ts';
import { ownBytesOf } from './count-own.ts';
import { Reservation } from './reservation.ts';
import type { ObjectState, PoolParts, StoreState } from './state.ts';

/** What a journal held behind the last checkpoint. */
export type Recovered = {
  /** The number of the first frame that was not taken over. */
  readonly nextNumber: number;
  /** Frames at or below the last durable mark of which nothing is left: what was in them is lost, and nobody knows what it was. */
  readonly lostFrames: number;
  /** Segments that are shorter than they were made: what was acknowledged may be missing, and nothing knows how much. */
  readonly cutSegments: number;
  /** Where appends may go on though nothing is home yet; undefined where anything was damaged, or there was nothing. */
  readonly tail: JournalTail | undefined;
};

/** The end of what was taken over: the number of the frame that comes next, and the checksum of the last one. */
export type JournalTail = Kept & { readonly number: number; readonly previous: number };

/** What a look at the journal needs of a pool. */
export type JournalSource = {
  readonly poolId: string;
  readonly chunkSizeBytes: number;
  readonly data: Pick<DataFiles, 'read'>;
  readonly broken?: BrokenRule | undefined;
};

/** What a recovery finds. */
export type JournalLook = {
  /** Every frame of the history, in order. */
  readonly found: readonly Found[];
  /** The highest number that a frame says is durable, -1 where none does. */
  readonly durable: number;
  /** Those of `found` to take over, from the first on. */
  readonly taken: readonly Verified[];
  /** How many are missing that were promised. */
  readonly missing: number;
  readonly cutSegments: number;
};

/** Reads a journal's history and says what of it is to be taken over. Changes nothing. `memory` has room for a frame. */
export async function lookAtJournal(
  source: JournalSource,
  files: readonly HostFile[],
  history: readonly JournalSpan[],
  memory: Uint8Array,
): Promise<JournalLook> {
  const found = new JournalScan(files, source.poolId, history, memory).read();
  const cutSegments = countCut(files, found);
  const durable = found.reduce((most, { frame }) => Math.max(most, frame.durable), -1);
  const { frames, missing } = await longestPrefix(source, found, firstOf(history), durable, memory);
  return { found, durable, taken: frames, missing, cutSegments };
}

/**
 * Rule 3: takes over the longest prefix whose frames, and the slots they point to, verify. What is damaged at or below
 * the last durable mark was promised: its blocks answer `corrupt` and the frames behind it are still taken over.
 */
export async function recover(pool: PoolParts, directory: string, history: readonly JournalSpan[]): Promise<Recovered> {
  const files = pool.host.list(directory).map((name) => pool.host.open(`${directory}/${name}`, { readOnly: true }));
  try {
    const memory = pool.host.alignedBuffer(maxFrameBytes);
    const { found, durable, taken, missing, cutSegments } = await lookAtJournal(pool, files, history, memory);
    for (const { source, damaged } of taken) await applyFrame(pool, source, damaged, memory);
    const mended = taken.filter(({ item }) => item.behind !== undefined);
    const promised = mended.filter(({ item }) => item.frame.number <= durable);
    const corruptBlocks = promised.length + countCorrupt(pool);
    pool.counters.corruptBlocks += corruptBlocks;
    // The kernel may still hold what a killed process appended: it is made durable before anything is brought home.
    if (taken.length > 0) await syncAll(pool.host, directory);
    const open = history.at(-1)?.number ?? 0;
    const nextNumber = Math.max(open, (found.at(-1)?.frame.number ?? open) + 1);
    const isWhole = missing === 0 && cutSegments === 0 && corruptBlocks === 0 && mended.length === 0;
    return { nextNumber, lostFrames: missing, cutSegments, tail: isWhole ? tailOf(taken) : undefined };
  } finally {
    for (const file of files) file.close();
  }
}

function tailOf(taken: readonly Verified[]): JournalTail | undefined {
  const last = taken.at(-1)?.source;
  if (last === undefined) return undefined;
  const places = taken.flatMap(({ item }) => [item, ...item.elsewhere]);
  return {
    number: last.frame.number + 1,
    previous: last.frame.checksum,
    header: headerOf(last),
    segment: segmentOf(last.file.path),
    offset: last.offset,
    segments: new Set(places.map(({ file }) => segmentOf(file.path))),
  };
}

/**
 * A segment is made whole and durable, all of one size, before a frame comes into it: one that holds frames and is shorter
 * was cut behind our back.
 */
function countCut(files: readonly HostFile[], found: readonly Found[]): number {
  const whole = files.reduce((most, file) => Math.max(most, file.size()), 0);
  const used = new Set(found.map(({ file }) => file));
  return [...used].filter((file) => file.size() < whole || file.size() % MiB !== 0).length;
}

/** A frame, where its blocks are taken from, and which of them do not verify (`r:b`, block b of record r). */
export type Verified = { readonly item: Found; readonly source: Found; readonly damaged: ReadonlySet<string> };

/**
 * The frames to take over, and how many are missing that were promised. A block that does not verify ends the history
 * before it only where no frame behind writes it again: a checkpoint that was cut off may have brought the newer bytes
 * home over a slot that the journal still names.
 */
async function longestPrefix(
  pool: JournalSource,
  found: readonly Found[],
  first: number,
  durable: number,
  memory: Uint8Array,
): Promise<{ frames: readonly Verified[]; missing: number }> {
  const frames: Verified[] = [];
  const unpromised = new Damage(pool.chunkSizeBytes);
  let expected = first;
  let missing = 0;
  let length = 0;
  for (const item of found) {
    const { number } = item.frame;
    if (number > expected) {
      missing += Math.max(0, Math.min(number - 1, durable) - expected + 1);
      // A hole in the numbers: above the durable mark the history ends before it.
      if (number - 1 > durable) break;
    }
    const { records, data } = contentsOf(item, memory);
    const { source, damaged } = await bestCopy(pool, item, records, data, memory);
    if (damaged.size > 0 || !unpromised.isEmpty) {
      for (const [index, record] of records.entries()) {
        unpromised.add(record, number > durable ? damagedOf(record, index, damaged) : []);
      }
    }
    frames.push({ item, source, damaged });
    expected = number + 1;
    if (unpromised.isEmpty || pool.broken === 'recovery-skips-verification') length = frames.length;
  }
  return { frames: frames.slice(0, length), missing };
}

/** The indexes of a record's blocks that do not verify. */
export function damagedOf(record: JournalRecord, index: number, damaged: ReadonlySet<string>): number[] {
  if (damaged.size === 0 || (record.kind !== 'data' && record.kind !== 'slots')) return [];
  return [...record.checksums.keys()].filter((block) => damaged.has(`${index}:${block}`));
}

function countCorrupt(pool: PoolParts): number {
  let count = 0;
  for (const store of pool.stores.values()) {
    for (const { overlay } of store.objects.values()) {
      // What a snapshot has and nobody else is lost as well.
      for (const layer of overlay.layers()) {
        for (const { codes } of layer.values()) for (const code of codes) count += Number(code === corrupt);
      }
    }
  }
  return count;
}

async function syncAll(host: Host, directory: string): Promise<void> {
  for (const name of host.list(directory)) {
    const file = host.open(`${directory}/${name}`, {});
    try {
      await file.sync();
    } finally {
      file.close();
    }
  }
}

/** Of a frame that is in several places the one with the fewest damaged blocks. */
async function bestCopy(
  pool: JournalSource,
  item: Found,
  records: readonly JournalRecord[],
  data: Uint8Array,
  memory: Uint8Array,
): Promise<Omit<Verified, 'item'>> {
  let best = { source: item, damaged: await verifyFrame(pool, records, data) };
  for (const source of item.elsewhere) {
    if (best.damaged.size === 0) break;
    const damaged = await verifyFrame(pool, records, dataOf(source, memory));
    if (damaged.size < best.damaged.size) best = { source, damaged };
  }
  return best;
}

const nothingDamaged: ReadonlySet<string> = new Set();

/** Keys of blocks of a frame that do not match: `r:b`, block b of record r. `data` are the blocks that it carries. */
async function verifyFrame(
  pool: JournalSource,
  records: readonly JournalRecord[],
  data: Uint8Array,
): Promise<ReadonlySet<string>> {
  let damaged: Set<string> | undefined;
  for (const [index, record] of records.entries()) {
    if (record.kind !== 'data' && record.kind !== 'slots') continue;
    const { checksums } = record;
    let bytes: Uint8Array;
    if (record.kind === 'data') bytes = data.subarray(record.firstBlock * blockSize);
    else {
      bytes = new Uint8Array(checksums.length * blockSize);
      await pool.data.read(record.slot, record.block, bytes);
    }
    assert(bytes.length >= checksums.length * blockSize, 'a frame carries what its records say');
    for (let block = 0; block < checksums.length; block += 1) {
      const wrong = firstDamaged(bytes.subarray(block * blockSize, checksums.length * blockSize), checksums, block);
      if (wrong < 0) break;
      block += wrong;
      damaged ??= new Set();
      damaged.add(`${index}:${block}`);
    }
  }
  return damaged ?? nothingDamaged;
}

async function applyFrame(
  pool: PoolParts,
  found: Found,
  damaged: ReadonlySet<string>,
  memory: Uint8Array,
): Promise<void> {
  const { records, data } = contentsOf(found, memory);
  for (const [index, record] of records.entries()) {
    const store = pool.stores.get(record.store);
    // Records of a store that was deleted since are of no use to anybody.
    if (store === undefined) continue;
    store.sequence = Math.max(store.sequence, record.sequence);
    store.changed = true;
    await applyRecord(pool, store, record, data, (block) => damaged.has(`${index}:${block}`));
  }
}

async function applyRecord(
  pool: PoolParts,
  store: StoreState,
  record: JournalRecord,
  data: Uint8Array,
  isDamaged: (block: number) => boolean,
): Promise<void> {
  if (record.kind === 'batch') {
    store.records.apply(record.changes);
    return;
  }
  if (record.kind === 'create') {
    pool.nextObject = Math.max(pool.nextObject, record.object + 1);
    if (store.objects.has(record.object)) return;
    const { generation } = store;
    const keepsRoom = record.preallocation !== 'off';
    const made = { sizeBytes: record.sizeBytes, blocks: 0, generation, created: generation, keepsRoom };
    store.objects.set(record.object, newObject(pool, store, record.object, made, emptyTree, true));
    return;
  }
  if (record.kind === 'snapshot') {
    endGeneration(store, record.snapshot, record.sequence);
    return;
  }
  if (record.kind === 'dropSnapshot') {
    const dropped = store.snapshots.find(({ id }) => id === record.snapshot);
    if (dropped !== undefined) dropped.isDropped = true;
    return;
  }
  const object = store.objects.get(record.object);
  if (object === undefined) return;
  object.overlay.toGeneration(store.generation, object.journaledSize);
  switch (record.kind) {
    case 'data':
      applyData(pool, object, record, data, isDamaged);
      return;
    case 'slots':
      applySlots(pool, object, record, isDamaged);
      return;
    case 'clear': {
      const { offset, keep } = record;
      const end = offset + record.length;
      const target = { pool, store, object };
      const chunks = await chunksToClear(target, offset, end, keep, journaledChunks(target, offset, end));
      applyClear(target, offset, end, keep, chunks, (block) => pool.arena.release(block));
      return;
    }
    case 'truncate':
      object.sizeBytes = record.sizeBytes;
      object.journaledSize = record.sizeBytes;
      return;
    default:
      assert(record.kind === 'delete', 'every kind of record is applied');
      object.deletedIn = store.generation;
      store.objects.delete(record.object);
      store.deleted.add(object);
  }
}

function applyData(
  pool: PoolParts,
  object: ObjectState,
  record: JournalRecord & { kind: 'data' },
  data: Uint8Array,
  isDamaged: (block: number) => boolean,
): void {
  for (let index = 0; index < record.checksums.length; index += 1) {
    const offset = record.offset + index * blockSize;
    const overlay = object.overlay.chunk(Math.floor(offset / pool.chunkSizeBytes));
    const block = (offset % pool.chunkSizeBytes) / blockSize;
    let code = corrupt;
    if (!isDamaged(index)) {
      const place = pool.arena.allocate();
      const from = (record.firstBlock + index) * blockSize;
      pool.arena.bytes(place).set(data.subarray(from, from + blockSize));
      pool.arena.setChecksum(place, record.checksums[index] ?? 0);
      code = place + firstArena;
    }
    const hidden = object.overlay.set(overlay, block, code);
    if (hidden >= 0) pool.arena.release(hidden);
  }
}

function applySlots(
  pool: PoolParts,
  object: ObjectState,
  record: JournalRecord & { kind: 'slots' },
  isDamaged: (block: number) => boolean,
): void {
  const overlay = object.overlay.chunk(record.chunk);
  let index = overlay.slots.findIndex(({ slot }) => slot === record.slot);
  if (index < 0) {
    pool.slots.claim(record.slot);
    pool.data.suspect(record.slot);
    const ref: SlotRef = {
      slot: record.slot,
      checksums: new Uint32Array(pool.blocksEach),
      blocks: new Uint8Array(pool.blocksEach),
    };
    index = overlay.slots.push(ref) - 1;
  }
  const ref = overlay.slots[index];
  assert(ref !== undefined, 'the slot was just found or added');
  ref.checksums.set(record.checksums, record.block);
  for (let at = 0; at < record.checksums.length; at += 1) {
    const damaged = isDamaged(at);
    ref.blocks[record.block + at] = damaged ? slotBlock.begun : slotBlock.landed;
    const hidden = object.overlay.set(overlay, record.block + at, damaged ? corrupt : -1 - index);
    if (hidden >= 0) pool.arena.release(hidden);
  }
}

/** A store in memory with nothing in it. */
export function newStore(
  pool: Pick<PoolParts, 'places'>,
  id: StoreId,
  { sequence, generation, origin, floor, compression = 'off' }: StoreRecord,
  records: StoreState['records'],
): StoreState {
  const store: StoreState = {
    id,
    sequence,
    generation,
    snapshots: [],
    origin,
    floor,
    flattening: undefined,
    compression,
    objects: new Map(),
    records,
    deleted: new Set(),
    reservation: new Reservation(() => ownBytesOf(pool, store), pool.places.isWhole),
    isCounted: false,
    changed: false,
    open: false,
  };
  return store;
}
