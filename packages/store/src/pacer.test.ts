import { ManualTime } from '@ashlar/testing';
import test from 'ava';
import { Pacer } from './pacer.ts';

/** How many of `count` requests of that size a pacer lets in within a time, asked for all at once. */
async function letIn(bytesPerMs: () => number, count: number, bytes: number, forMs: number): Promise<number> {
  const time = new ManualTime();
  const pacer = new Pacer(time, time, bytesPerMs);
  let through = 0;
  for (let index = 0; index < count; index += 1) {
    const wait = pacer.admit(bytes);
    if (wait === undefined) through += 1;
    else void wait.then(() => (through += 1));
  }
  for (let at = 0; at < forMs; at += 1) await time.advance(1);
  return through;
}

test('without a limit nobody waits', async (t) => {
  t.is(await letIn(() => Infinity, 1000, 4096, 0), 1000);
});

test('so many bytes are let in as the rate says, whatever their number', async (t) => {
  const small = await letIn(() => 4096 * 10, 1000, 4096, 20);
  t.true(small > 150 && small <= 220, `${small} of 200`);
  const large = await letIn(() => 4096 * 10, 1000, 4096 * 16, 20);
  t.true(large >= 9 && large <= 15, `${large} of 12`);
});

test('what has no bytes passes when others pass', async (t) => {
  t.is(await letIn(() => Infinity, 10, 0, 0), 10);
  t.is(await letIn(() => 4096, 10, 0, 5), 10);
});

test('at a rate of 0 nobody is let in, and all when it has risen', async (t) => {
  const time = new ManualTime();
  let rate = 0;
  const pacer = new Pacer(time, time, () => rate);
  const through: number[] = [];
  for (const index of [1, 2, 3]) void pacer.admit(4096)?.then(() => through.push(index));
  for (let at = 0; at < 5; at += 1) await time.advance(1);
  t.deepEqual(through, []);
  rate = Infinity;
  for (let at = 0; at < 5; at += 1) await time.advance(1);
  t.deepEqual(through, [1, 2, 3], 'in the order in which they came');
});
