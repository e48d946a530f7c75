import { MiB } from '@ashlar/core';
import test from 'ava';
import fc from 'fast-check';
import { BlockArena } from './block-arena.ts';

const host = {
  alignedBuffer: (length: number) => new Uint8Array(length),
  populatedBuffer: async (length: number) => new Uint8Array(length),
};

test('a batch of blocks is one run of memory', (t) => {
  const arena = new BlockArena(host);
  t.deepEqual([arena.allocate(), arena.allocate(), arena.allocate()], [0, 1, 2]);
  t.is(arena.bytes(1).byteOffset - arena.bytes(0).byteOffset, 4096);
});

test('memory comes in regions of 4 MiB, stays for the next blocks, and goes back when it is told to', (t) => {
  const arena = new BlockArena(host);
  t.is(arena.heldBytes, 0);
  const blocks = Array.from({ length: 3 * 1024 }, () => arena.allocate());
  t.is(arena.heldBytes, 12 * MiB);
  t.is(arena.usedBytes, 12 * MiB);
  for (const block of blocks) arena.release(block);
  t.is(arena.usedBytes, 0);
  t.is(arena.heldBytes, 12 * MiB);
  const kept = arena.allocate();
  arena.bytes(kept).fill(7);
  arena.giveBack();
  t.is(arena.heldBytes, 4 * MiB);
  t.true(arena.bytes(kept).every((byte) => byte === 7));
  arena.release(kept);
  arena.giveBack();
  t.is(arena.heldBytes, 0);
  t.is(arena.allocate(), 0);
});

test('a block that is not of a region in use is refused', (t) => {
  t.throws(() => new BlockArena(host).bytes(0), { any: true });
});

test('a part of a block is copied to its place, and its checksum is kept', (t) => {
  const arena = new BlockArena(host);
  const block = arena.allocate();
  arena.bytes(block).set([1, 2, 3, 4], 10);
  arena.setChecksum(block, 0xffffffff);
  const into = new Uint8Array(4);
  arena.copyOut(block, 11, 13, into, 1);
  t.deepEqual([...into], [0, 2, 3, 0]);
  t.is(arena.checksum(block), 0xffffffff);
});

test('no block is given out twice, and what is in it stays until it is released', (t) => {
  const steps = fc.array(fc.record({ release: fc.boolean(), pick: fc.nat() }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (given) => {
      const arena = new BlockArena(host);
      const held = new Map<number, number>();
      for (const [step, { release, pick }] of given.entries()) {
        const block = [...held.keys()][pick % Math.max(1, held.size)];
        if (release && block !== undefined) {
          t.true(arena.bytes(block)[0] === held.get(block));
          arena.release(block);
          held.delete(block);
        } else {
          const fresh = arena.allocate();
          t.false(held.has(fresh));
          arena.bytes(fresh)[0] = step;
          held.set(fresh, step & 0xff);
        }
      }
      t.is(arena.usedBytes, held.size * 4096);
    }),
    { numRuns: 50 },
  );
});
