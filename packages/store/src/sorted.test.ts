import test from 'ava';
import fc from 'fast-check';
import { createRealHost } from '@ashlar/host';
import { sorted } from './sorted.ts';
import { Turns } from './turns.ts';

test('numbers come out in order, however many, with turns for others in between', async (t) => {
  const turns = new Turns(createRealHost());
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(0, 1, 2, 4095, 4096, 4097, 20_000), fc.nat(), async (count, seed) => {
      const numbers = Array.from({ length: count }, (_, index) => (index * 7919 * (seed + 1)) % 104_729);
      const found = await sorted(numbers, count, turns);
      t.deepEqual(
        [...found],
        numbers.toSorted((a, b) => a - b),
      );
    }),
    { numRuns: 30 },
  );
});
