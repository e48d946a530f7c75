import { ManualTime } from '@ashlar/testing';
import test from 'ava';
import { TreeClock } from './attributes.ts';

const never = { seconds: 0, nanoseconds: 0 };

test('each time is later than the one before, whatever the clock says', async (t) => {
  const time = new ManualTime();
  const clock = new TreeClock(time);
  const first = clock.now(never);
  const second = clock.now(never);
  t.deepEqual(second, { ...first, nanoseconds: first.nanoseconds + 1 });
  await time.advance(5);
  t.deepEqual(clock.now(never), { ...first, nanoseconds: 5_000_000 });
});

test('a time is later than one that it is to be later than, and others are not', (t) => {
  const clock = new TreeClock(new ManualTime());
  const first = clock.now(never);
  t.deepEqual(clock.now({ seconds: 2 ** 33, nanoseconds: 999_999_999 }), { seconds: 2 ** 33 + 1, nanoseconds: 0 });
  t.deepEqual(clock.now(never).seconds, first.seconds);
});
