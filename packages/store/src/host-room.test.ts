import { AshlarError, KiB, MiB } from '@ashlar/core';
import test from 'ava';
import { giveBackBlocks, giveBackSlots, reserveRoom } from './host-room.ts';
import { SlotBitmap } from './slot-bitmap.ts';

/** A pool that notes what is punched and allocated: first slot, first block, number of blocks. */
function create(chunkSizeBytes: number, slotCount: number) {
  const slots = new SlotBitmap();
  for (let slot = 0; slot < slotCount; slot += 1) slots.claim(slot);
  const punched: [number, number, number][] = [];
  const punch = (slot: number, block: number, blocks: number): void => void punched.push([slot, block, blocks]);
  const allocated: [number, number, number][] = [];
  const allocate = (slot: number, block: number, blocks: number): void => void allocated.push([slot, block, blocks]);
  const giveBack = (slot: number, blocks: number): void => punch(slot, 0, blocks);
  const data = { giveBack, punch, allocate };
  return { slots, punched, allocated, pool: { data, slots, blocksEach: chunkSizeBytes / (4 * KiB), chunkSizeBytes } };
}

test('slots that are neighbours are given back together, in whatever order they were freed', async (t) => {
  const { pool, slots, punched } = create(256 * KiB, 100);
  await giveBackSlots(pool, [12, 40, 10, 11, 42, 41, 50]);
  t.deepEqual(punched, [
    [10, 0, 192],
    [40, 0, 192],
    [50, 0, 64],
  ]);
  t.is(slots.liveCount, 93);
});

test('no more than 64 MiB are given back at once, and never across the end of a data file', async (t) => {
  const { pool, slots, punched } = create(MiB, 200);
  await giveBackSlots(
    pool,
    Array.from({ length: 160 }, (_, index) => 30 + index),
  );
  t.deepEqual(punched, [
    [30, 0, 34 * 256],
    [64, 0, 64 * 256],
    [128, 0, 62 * 256],
  ]);
  t.is(slots.liveCount, 40);
});

test('a slot is free only when its room is given back', async (t) => {
  const { pool, slots } = create(256 * KiB, 10);
  const giveBack = (slot: number): Promise<void> => Promise.resolve(t.true(slots.isLive(slot))).then(() => undefined);
  await giveBackSlots({ ...pool, data: { ...pool.data, giveBack } }, [3, 4, 7]);
  t.false(slots.isLive(3) || slots.isLive(4) || slots.isLive(7));
});

test('trimmed blocks that are neighbours are given back together, of slots that are still in use', async (t) => {
  const { pool, slots, punched } = create(256 * KiB, 10);
  for (const slot of [2, 3]) slots.setDurable(slot, true);
  const block = (slot: number, number: number) => ({ slot, block: number });
  await giveBackBlocks(pool, [block(2, 5), block(2, 6), block(2, 9), block(3, 10), block(5, 11), block(5, 12)]);
  t.deepEqual(punched, [
    [2, 5, 2],
    [2, 9, 1],
    [3, 10, 1],
  ]);
});

test('room of neighbours is reserved together, up to 64 MiB at once', async (t) => {
  const { pool, allocated } = create(256 * KiB, 0);
  const whole = Array.from({ length: 300 }, (_, index) => ({ slot: 299 - index, block: 0, blocks: 64 }));
  await reserveRoom(pool, [
    ...whole,
    { slot: 300, block: 0, blocks: 10 },
    { slot: 300, block: 12, blocks: 52 },
    { slot: 301, block: 0, blocks: 3 },
  ]);
  t.deepEqual(allocated, [
    [0, 0, 256 * 64],
    [256, 0, 44 * 64 + 10],
    [300, 12, 55],
  ]);
});

test('a host that cannot reserve is no failure, and a full disk is one', async (t) => {
  const { pool } = create(256 * KiB, 0);
  const failing = (kind: 'unsupported' | 'no-space') => () => Promise.reject(new AshlarError(kind, 'not done'));
  const run = [{ slot: 1, block: 0, blocks: 1 }];
  await t.notThrowsAsync(reserveRoom({ ...pool, data: { ...pool.data, allocate: failing('unsupported') } }, run));
  await t.throwsAsync(reserveRoom({ ...pool, data: { ...pool.data, allocate: failing('no-space') } }, run));
});
