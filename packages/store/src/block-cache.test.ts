import test from 'ava';
import fc from 'fast-check';
import { BlockCache } from './block-cache.ts';

const host = { populatedBuffer: async (length: number) => new Uint8Array(length) };
const MiB = 1024 * 1024;
const block = (byte: number): Uint8Array => new Uint8Array(4096).fill(byte);

/** A cache whose memory has come. */
async function cacheOf(limitBytes: number): Promise<BlockCache> {
  const cache = new BlockCache(host, limitBytes, 64);
  cache.insert(0, block(0), 0);
  await new Promise((resolve) => setImmediate(resolve));
  return cache;
}

function read(cache: BlockCache, place: number): number | undefined {
  const into = new Uint8Array(2);
  return cache.copyOut(place, 4094, 4096, into, 0) ? into[0] : undefined;
}

test('a part of a block is copied to its place', async (t) => {
  const cache = await cacheOf(4 * MiB);
  const from = new Uint8Array(3 * 4096);
  from.set([1, 2, 3, 4], 4096 + 10);
  cache.insert(7, from, 4096);
  const into = new Uint8Array(4);
  t.true(cache.copyOut(7, 11, 13, into, 1));
  t.deepEqual([...into], [0, 2, 3, 0]);
});

test('memory for what a long read brings is asked for at once, and not a piece behind the other', async (t) => {
  const asked: (() => void)[] = [];
  const slow = {
    populatedBuffer: (length: number) =>
      new Promise<Uint8Array>((resolve) => asked.push(() => resolve(new Uint8Array(length)))),
  };
  const cache = new BlockCache(slow, 20 * MiB, 64);
  cache.insert(0, block(0), 0);
  t.is(asked.length, 5, 'as many pieces of 4 MiB as it may have');
  for (const give of asked) give();
  await cache.growth();
  for (let place = 0; place < 5 * 1024; place += 1) cache.insert(place, block(place % 251), 0);
  t.is(read(cache, 0), 0);
  t.is(read(cache, 5 * 1024 - 1), (5 * 1024 - 1) % 251);
});

test('what is kept anew of a place takes the place of what was', async (t) => {
  const cache = await cacheOf(4 * MiB);
  cache.insert(5, block(1), 0);
  cache.insert(5, block(2), 0);
  t.is(read(cache, 5), 2);
  cache.drop(5);
  t.is(read(cache, 5), undefined);
});

test('the blocks of a slot are forgotten together, those of its neighbours stay', async (t) => {
  const cache = await cacheOf(4 * MiB);
  for (const place of [63, 64, 100, 127, 128]) cache.insert(place, block(place), 0);
  cache.dropSlot(1);
  t.deepEqual(
    [63, 64, 100, 127, 128].map((place) => read(cache, place)),
    [63, undefined, undefined, undefined, 128],
  );
});

test('what is kept of a place is found at the one that its bytes were copied to, and not where they were', async (t) => {
  const cache = await cacheOf(4 * MiB);
  cache.insert(7, block(7), 0);
  cache.insert(200, block(1), 0);
  cache.move(7, 200);
  t.deepEqual([read(cache, 7), read(cache, 200)], [undefined, 7]);
  cache.move(8, 200);
  t.is(read(cache, 200), undefined, 'nothing is kept of where the bytes came from');
});

test('a cache of no size keeps nothing', async (t) => {
  const cache = await cacheOf(0);
  cache.insert(1, block(1), 0);
  t.false(cache.has(1));
  t.false(cache.hasRoom);
  t.is(cache.heldBytes, 0);
});

test('what was not looked at gives way when there is no more room', async (t) => {
  const cache = await cacheOf(4 * MiB);
  for (let place = 0; place < 1024; place += 1) cache.insert(place, block(place), 0);
  t.false(cache.hasRoom);
  for (let place = 0; place < 1024; place += 2) t.is(read(cache, place), place & 0xff);
  for (let place = 5000; place < 5512; place += 1) cache.insert(place, block(place), 0);
  for (let place = 0; place < 1024; place += 1) t.is(cache.has(place), place % 2 === 0);
  t.true(cache.heldBytes < 4.1 * MiB);
});

test('a new block is not kept while the memory for it is still to come', async (t) => {
  const cache = new BlockCache(host, 4 * MiB, 64);
  cache.insert(1, block(1), 0);
  t.false(cache.has(1));
  await new Promise((resolve) => setImmediate(resolve));
  cache.insert(1, block(1), 0);
  t.is(read(cache, 1), 1);
});

test('it holds what was put in last or nothing, whatever is put in, looked at, moved and dropped', async (t) => {
  const step = fc.record({
    what: fc.constantFrom('insert', 'drop', 'read', 'move'),
    place: fc.nat(3000),
    far: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 3000 }), async (steps) => {
      const cache = await cacheOf(4 * MiB);
      const model = new Map<number, number>();
      for (const [index, { what, place: near, far }] of steps.entries()) {
        const place = far ? near * 2 ** 30 : near;
        if (what === 'insert') {
          cache.insert(place, block(index & 0xff), 0);
          model.set(place, index & 0xff);
        } else if (what === 'drop') {
          cache.drop(place);
          model.delete(place);
        } else if (what === 'move') {
          const there = cache.has(place) ? model.get(place) : undefined;
          cache.move(place, place + 1);
          model.delete(place + 1);
          if (there !== undefined) model.set(place + 1, there);
          model.delete(place);
        } else {
          const found = read(cache, place);
          if (found !== undefined) t.true(found === model.get(place));
        }
      }
      // Nothing had to give way to so few.
      if (model.size <= 1024) for (const [place, byte] of model) t.is(read(cache, place), byte);
    }),
    { numRuns: 60 },
  );
});
