import test from 'ava';
import fc from 'fast-check';
import { SlotBitmap } from './slot-bitmap.ts';

test('slots are given out one behind the other, and never one that is in use', (t) => {
  const slots = new SlotBitmap();
  slots.claim(1);
  slots.claim(1);
  const given = Array.from({ length: 3 }, () => slots.allocate());
  t.is(new Set([1, ...given]).size, 4);
  t.is(slots.liveCount, 4);
});

test('it grows behind its last slot', (t) => {
  const slots = new SlotBitmap();
  const { capacity } = slots;
  const given = new Set(Array.from({ length: capacity + 1 }, () => slots.allocate()));
  t.is(given.size, capacity + 1);
  t.true(slots.capacity > capacity);
  slots.claim(10 * capacity);
  t.true(slots.isLive(10 * capacity));
  t.is(slots.liveCount, capacity + 2);
});

test('a slot that is free, or that the last checkpoint refers to, is not released', (t) => {
  const slots = new SlotBitmap();
  const slot = slots.allocate();
  slots.setDurable(slot, true);
  t.throws(() => slots.release(slot), { any: true });
  slots.setDurable(slot, false);
  slots.release(slot);
  t.throws(() => slots.release(slot), { any: true });
});

test('a slot whose room the host keeps is used again first, once', (t) => {
  const slots = new SlotBitmap();
  const [first, second] = [slots.allocate(), slots.allocate()];
  slots.releaseWarm(second);
  t.is(slots.allocate(), second);
  t.not(slots.allocate(), second);
  t.true(slots.isLive(first));
});

test('of the slots whose room is kept the oldest are given up, without those in use again', (t) => {
  const slots = new SlotBitmap();
  const given = Array.from({ length: 4 }, () => slots.allocate());
  for (const slot of given) slots.releaseWarm(slot);
  slots.claim(given[0] ?? -1);
  t.deepEqual(slots.takeWarm(1), given.slice(1, 3));
  t.deepEqual(slots.takeWarm(1), []);
});

test('a checkpoint that failed leaves what the last commit refers to', (t) => {
  const slots = new SlotBitmap();
  slots.setDurable(3, true);
  slots.committed();
  slots.setDurable(3, false);
  slots.setDurable(3, true);
  slots.setDurable(3, false);
  slots.setDurable(70_000, true);
  slots.rollBack();
  t.true(slots.isDurable(3));
  t.false(slots.isDurable(70_000));
});

test('only the pages that changed are written, and one bit of them is one slot', (t) => {
  const slots = new SlotBitmap();
  slots.setDurable(9, true);
  slots.setDurable(4096 * 8 * 2 + 31, true);
  const pages = slots.takeDirty();
  t.deepEqual(
    pages.map(({ index, bytes }) => [index, bytes.length, [...bytes.entries()].filter(([, byte]) => byte !== 0)]),
    [
      [0, 4096, [[1, 2]]],
      [2, 4096, [[3, 0x80]]],
    ],
  );
  t.deepEqual(slots.takeDirty(), []);
});

test('what was written is what the next start loads', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 100_000 }), { maxLength: 50 }), (inUse) => {
      const written = new SlotBitmap();
      for (const slot of inUse) written.setDurable(slot, true);
      const loaded = new SlotBitmap();
      for (const { index, bytes } of written.takeDirty()) loaded.load(index, bytes);
      t.is(loaded.liveCount, inUse.length);
      t.true(inUse.every((slot) => loaded.isLive(slot) && loaded.isDurable(slot)));
    }),
    { numRuns: 30 },
  );
});

test('where there are places for so many no slot behind them is given out', (t) => {
  const slots = new SlotBitmap(70);
  const taken = Array.from({ length: 70 }, () => slots.allocate());
  t.deepEqual(taken, [...taken.keys()]);
  t.throws(() => slots.allocate(), { message: 'all 70 slots of the pool are in use' });
  slots.release(3);
  t.is(slots.allocate(), 3);
  t.throws(() => slots.allocate(), { message: 'all 70 slots of the pool are in use' });
});

test('slots that are free behind the last place are not taken for free ones', (t) => {
  const slots = new SlotBitmap(2 ** 20 + 1);
  for (let slot = 0; slot <= 2 ** 20; slot += 1) slots.claim(slot);
  t.throws(() => slots.allocate(), { message: /are in use/ });
});
