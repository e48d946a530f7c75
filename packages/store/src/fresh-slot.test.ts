import test from 'ava';
import { SlotWrites } from './fresh-slot.ts';

test('slots are idle when every write into them has ended', async (t) => {
  const writes = new SlotWrites();
  await writes.idle([1, 2, 3]);
  writes.begin(2);
  writes.begin(2);
  writes.begin(9);
  let idle = false;
  const waiting = writes.idle([1, 2, 3]).then(() => {
    idle = true;
  });
  writes.end(2);
  await new Promise((resolve) => setImmediate(resolve));
  t.false(idle);
  t.true(writes.isBusy(2));
  writes.end(2);
  await waiting;
  t.false(writes.isBusy(2));
});
