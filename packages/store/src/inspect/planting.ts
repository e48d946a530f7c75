import type { RecordChange } from '@ashlar/core';
import { blockSize } from '../checksum.ts';
import { bitmapKey, deadKey, opened, packedChange, poolKey, sealed } from '../records/keys.ts';
import type { DeadRecord, ObjectRecord, PoolRecord } from '../records/keys.ts';
import type { SimulatedPool } from './damaged-pools.ts';
import { recordRows, type RecordRow } from './record-rows.ts';

/** Damages a pool that nobody has open, somewhere. */
type Planting = (pool: SimulatedPool) => Promise<void>;

function rowsOf({ machine }: SimulatedPool, ...kinds: readonly RecordRow['kind'][]): RecordRow[] {
  return [...recordRows(machine.openRecords())].filter(({ kind }) => kinds.length === 0 || kinds.includes(kind));
}

async function commit({ machine }: SimulatedPool, ...changes: readonly RecordChange[]): Promise<void> {
  await machine.finish(machine.openRecords().commit(changes));
}

/** Changes one of the packed records of some kinds, where there are any. */
async function change<T>(
  pool: SimulatedPool,
  kinds: readonly RecordRow['kind'][],
  changed: (record: T, row: RecordRow) => T,
): Promise<void> {
  const rows = rowsOf(pool, ...kinds).filter(({ value }) => value !== undefined);
  if (rows.length === 0) return;
  const row = pool.random.pick(rows);
  await commit(pool, packedChange(row.key, changed(row.value as T, row)));
}

/** Flips a bit of a block of a file. */
async function flip({ machine, random }: SimulatedPool, path: string, block: number): Promise<void> {
  const file = machine.host.open(path, {});
  const bytes = new Uint8Array(blockSize);
  file.readSync(block * blockSize, bytes);
  const at = random.below(blockSize);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  await machine.finish(file.write(block * blockSize, bytes));
  await machine.finish(file.sync());
  file.close();
}

/** A block that has data of one of the files of a folder. */
function somewhere({ machine, random }: SimulatedPool, folder: string): [string, number] | undefined {
  const places: [string, number][] = [];
  for (const name of machine.host.list(folder)) {
    const path = `${folder}/${name}`;
    const file = machine.host.open(path, { readOnly: true });
    for (const { offset, length, state } of file.size() === 0 ? [] : file.extents(0, file.size(), 100_000)) {
      for (let at = offset; state === 'data' && at < offset + length; at += blockSize)
        places.push([path, at / blockSize]);
    }
    file.close();
  }
  return places.length === 0 ? undefined : random.pick(places);
}

async function flipIn(pool: SimulatedPool, folder: string): Promise<void> {
  const place = somewhere(pool, folder);
  if (place !== undefined) await flip(pool, ...place);
}

async function flipBit(pool: SimulatedPool, kind: 'slots' | 'pages', isUsed: boolean): Promise<void> {
  const key = bitmapKey(kind, 0);
  const sealedBitmap = pool.machine.openRecords().get(key);
  if (sealedBitmap === undefined) return;
  const bitmap = Uint8Array.from(opened(key, sealedBitmap));
  const has = (place: number): boolean => (((bitmap[place >>> 3] ?? 0) >>> (place & 7)) & 1) === 1;
  const places = Array.from({ length: 400 }, (_, place) => place).filter((place) => has(place) === isUsed);
  if (places.length === 0) return;
  const place = pool.random.pick(places);
  bitmap[place >>> 3] = (bitmap[place >>> 3] ?? 0) ^ (1 << (place & 7));
  await commit(pool, { key, value: sealed(key, bitmap) });
}

/** Buries something that lives, or buries what is dead once more. */
async function buryAgain(pool: SimulatedPool): Promise<void> {
  const row = pool.random.pick(rowsOf(pool, 'object', 'dead'));
  const record = row.value as DeadRecord & ObjectRecord;
  const { root, levels } = record;
  if (root === undefined || root === null) return;
  const [store = 0, object = 0] = row.numbers;
  const place = row.kind === 'dead' ? record : { store, object, floor: 0, snapshot: -1, birth: -1 };
  const dead: DeadRecord = { ...place, root, levels, cursor: 0 };
  await commit(pool, packedChange(deadKey(100_000 + pool.random.below(1000)), dead));
}

/** Ways to damage a pool, by name. */
export const plantings: Readonly<Record<string, Planting>> = {
  'a slot in use is said to be free': (pool) => flipBit(pool, 'slots', true),
  'a free slot is said to be in use': (pool) => flipBit(pool, 'slots', false),
  'a page in use is said to be free': (pool) => flipBit(pool, 'pages', true),
  'a free page is said to be in use': (pool) => flipBit(pool, 'pages', false),
  'a bitmap is gone': (pool) => commit(pool, { key: bitmapKey(pool.random.pick(['slots', 'pages']), 0), value: null }),
  'a count of blocks is wrong': (pool) =>
    change<ObjectRecord>(pool, ['object', 'kept'], (record) => ({ ...record, blocks: record.blocks + 3 })),
  'a count of what compression saves is wrong': (pool) =>
    change<ObjectRecord>(pool, ['object', 'kept'], (record) => ({ ...record, saved: (record.saved ?? 0) + 2 })),
  'a record is damaged': async (pool) => {
    const kind = pool.random.pick(rowsOf(pool).map((row) => row.kind));
    const { key } = pool.random.pick(rowsOf(pool, kind));
    const value = Uint8Array.from(pool.machine.openRecords().get(key)!);
    value[pool.random.below(value.length)]! ^= 4;
    await commit(pool, { key, value });
  },
  'a map that is being deleted has a damaged record': async (pool) => {
    const rows = rowsOf(pool, 'dead');
    if (rows.length === 0) return;
    const { key } = pool.random.pick(rows);
    const value = Uint8Array.from(pool.machine.openRecords().get(key)!);
    value[pool.random.below(value.length)]! ^= 4;
    await commit(pool, { key, value });
  },
  'a record is gone': (pool) => commit(pool, { key: pool.random.pick(rowsOf(pool)).key, value: null }),
  'an object has the map of another': async (pool) => {
    const { root, levels } = pool.random.pick(rowsOf(pool, 'object')).value as ObjectRecord;
    await change<ObjectRecord>(pool, ['object'], (record) => ({ ...record, root, levels }));
  },
  'a map is being deleted that somebody has': buryAgain,
  'what is deleted already is deleted again': (pool) =>
    change<DeadRecord>(pool, ['dead'], (record) => ({ ...record, cursor: 0, floor: 0 })),
  'numbers are given out again': (pool) =>
    change<PoolRecord>(pool, ['pool'], (record) => ({ ...record, nextObject: 1, nextStore: 2, birth: 1 })),
  'an object has another size': (pool) =>
    change<ObjectRecord>(pool, ['object'], (record) => ({ ...record, sizeBytes: blockSize })),
  'a page is damaged': async (pool) => {
    const key = bitmapKey('pages', 0);
    const bytes = pool.machine.openRecords().get(key);
    const bitmap = bytes === undefined ? new Uint8Array() : opened(key, bytes);
    const used = Array.from({ length: 400 }, (_, page) => page).filter(
      (page) => (((bitmap[page >>> 3] ?? 0) >>> (page & 7)) & 1) === 1,
    );
    if (used.length > 0) await flip(pool, '/pool/pages', pool.random.pick(used));
  },
  'a file of pages is cut off': async ({ machine, random }) => {
    const file = machine.host.open('/pool/pages', {});
    file.truncate(random.below(64) * blockSize);
    await machine.finish(file.sync());
    file.close();
  },
  'a block of data is damaged': (pool) => flipIn(pool, '/pool/data'),
  'the journal is damaged': (pool) => flipIn(pool, '/pool/journal'),
  'the pool has no record of its own': (pool) => commit(pool, { key: poolKey, value: null }),
};
