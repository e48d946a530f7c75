import { AshlarError } from '@ashlar/core';
import test from 'ava';
import { Descriptor } from './descriptor.ts';

test('a descriptor is closed once, as whoever opened it does, when nobody uses it any more', (t) => {
  const closed: number[] = [];
  const descriptor = new Descriptor(7, 'a file', (number) => void closed.push(number));
  t.is(descriptor.take(), 7);
  descriptor.close();
  descriptor.close();
  t.deepEqual(closed, []);
  t.throws(() => descriptor.number, { instanceOf: AshlarError, message: /a file is closed/ });
  descriptor.release();
  t.deepEqual(closed, [7]);
});
