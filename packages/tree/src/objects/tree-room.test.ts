import { MiB } from '@ashlar/core';
import { failsWith } from '@ashlar/testing';
import test from 'ava';
import { TreeRoom } from './tree-room.ts';

test('room is asked for once in a while, and what does not fit is refused', async (t) => {
  let freeBytes = 10 * MiB;
  let asked = 0;
  const room = new TreeRoom(() => {
    asked += 1;
    return { totalBytes: 100 * MiB, freeBytes };
  });
  for (let count = 0; count < 10; count += 1) await room.claim(MiB);
  t.is(asked, 1);
  freeBytes = 4096;
  await failsWith(t, 'no-space', () => Promise.try(() => room.claim(4097)));
  await room.claim(4096);
  freeBytes = 1000 * MiB;
  await room.claim(200 * MiB);
  t.is(asked, 3);
  // However much was free, others may have taken it since.
  await room.claim(57 * MiB);
  t.is(asked, 4);
});
