import test from 'ava';
import { Scratch } from './scratch.ts';

test('memory is lent while the work runs, and lent again afterwards', async (t) => {
  let slabs = 0;
  const scratch = new Scratch({
    alignedBuffer: (length) => {
      slabs += 1;
      return new Uint8Array(length);
    },
  });
  const seen: Uint8Array[] = [];
  await scratch.use(5000, async (outer) => {
    t.is(outer.length, 8192);
    seen.push(outer);
    await scratch.use(8192, (inner) => {
      t.not(inner.byteOffset, outer.byteOffset);
    });
  });
  scratch.use(6000, (again) => {
    t.true(again.byteOffset <= 8192);
  });
  t.is(slabs, 1, 'what was given back is used before new memory is asked for');
});

test('memory comes back from work that fails, at once or later', async (t) => {
  let slabs = 0;
  const scratch = new Scratch({
    alignedBuffer: (length) => {
      slabs += 1;
      return new Uint8Array(length);
    },
  });
  const fail = (): never => {
    throw new Error('no');
  };
  for (let count = 0; count < 1000; count += 1) {
    t.throws(() => scratch.use(1024 * 1024, fail));
    await t.throwsAsync(async () => scratch.use(1024 * 1024, async () => fail()));
  }
  t.is(slabs, 1);
});
