import test from 'ava';
import fc from 'fast-check';
import { fromHex } from './by-hand.ts';
import {
  blocksOf,
  changedBlocks,
  emptyEntry,
  entriesEach,
  hasBit,
  isReserved,
  otherEntries,
  ownSlotOf,
  packedIn,
  piecesEach,
  readEntry,
  savedOf,
  slotOf,
  writeEntry,
  type ChunkEntry,
} from './map-leaf.ts';

/** Slot 0 (1.0), birth 2.0, blocks 0 and 33; slot 7 (8.0), birth 3.0, block 31; two pieces of zeros; block 1 and 63 reserved. */
const written = `
  000000000000f03f 0000000000000040 01000000 02000000
  0000000000002040 0000000000000840 00000080 00000000
  000000000000000000000000000000000000000000000000
  000000000000000000000000000000000000000000000000
  02000000 00000080`;
const entry = {
  pieces: [
    { slot: 0, birth: 2, low: 1, high: 2, packed: 0 },
    { slot: 7, birth: 3, low: 0x80000000, high: 0, packed: 0 },
  ],
  zeroLow: 2,
  zeroHigh: 0x80000000,
  dense: 0,
};

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test('an entry is 128 bytes of a leaf, and a leaf holds 32', (t) => {
  const bytes = new Uint8Array(4096);
  writeEntry(viewOf(bytes), 31, entry);
  t.deepEqual(Buffer.from(bytes), Buffer.concat([Buffer.alloc(31 * 128), fromHex(written, 128)]));
  t.is(entriesEach, 32);
});

/** Slot 0, birth 2, blocks 0 to 5 and 33, compressed in 3; slot 7, birth 3, block 31, as it is; 20 blocks did not compress. */
const compressed = `
  000000000000f03f 0000000000000040 3f000000 02000000
  0000000000002040 0000000000000840 00000080 00000000
  000000000000000000000000000000000000000000000000
  000000000000000000000000000000000000000000000000
  00000000 00000000 03000000 14`;

test('a piece that is compressed is counted as what its slot holds, and has no place to be written to', (t) => {
  const view = viewOf(Uint8Array.from(fromHex(compressed, 4096)));
  const found = readEntry(view, 0);
  t.deepEqual(found.pieces, [
    { slot: 0, birth: 2, low: 63, high: 2, packed: 3 },
    { slot: 7, birth: 3, low: 0x80000000, high: 0, packed: 0 },
  ]);
  t.deepEqual([found.dense, blocksOf(found), savedOf(found)], [20, 4, 4]);
  t.deepEqual([packedIn(view, 0, 0), packedIn(view, 0, 7), packedIn(view, 0, 9)], [3, 0, 0]);
  t.deepEqual(
    [0, 33, 31, 6].map((block) => [slotOf(view, 0, block), ownSlotOf(view, 0, block, 1)]),
    [
      [0, -1],
      [0, -1],
      [7, 7],
      [-1, -1],
    ],
  );
  const again = new Uint8Array(4096);
  writeEntry(viewOf(again), 0, found);
  t.deepEqual(Buffer.from(again), fromHex(compressed, 4096));
});

test('an entry written by hand is read', (t) => {
  const view = viewOf(Uint8Array.from(fromHex(written, 4096)));
  t.deepEqual(readEntry(view, 0), entry);
  t.deepEqual(readEntry(view, 1), emptyEntry);
  t.is(blocksOf(entry), 5);
});

test('a block is found in its slot, in none, or in kept room', (t) => {
  const view = viewOf(Uint8Array.from(fromHex(written, 4096)));
  t.deepEqual(
    [0, 1, 31, 32, 33, 63].map((block) => slotOf(view, 0, block)),
    [0, -1, 7, -1, 0, -1],
  );
  t.deepEqual(
    [0, 1, 31, 33, 62, 63].map((block) => isReserved(view, 0, block)),
    [false, true, false, false, false, true],
  );
});

test('a shorter entry leaves nothing of a longer one behind', (t) => {
  const bytes = Uint8Array.from(fromHex(written, 4096));
  writeEntry(viewOf(bytes), 0, emptyEntry);
  t.deepEqual(bytes, new Uint8Array(4096));
});

test('a fifth piece is refused', (t) => {
  const pieces = Array.from({ length: piecesEach + 1 }, (_, slot) => ({
    slot,
    birth: 1,
    low: 1 << slot,
    high: 0,
    packed: 0,
  }));
  t.throws(() => writeEntry(viewOf(new Uint8Array(4096)), 0, { ...emptyEntry, pieces }), { any: true });
});

test('every entry comes back as it was written, and lookups agree with it', (t) => {
  const word = fc.nat({ max: 0xffffffff });
  const piece = fc.record({ slot: fc.nat(), birth: fc.nat(), low: word, high: word, packed: fc.nat({ max: 63 }) });
  const entries = fc.record({
    pieces: fc.array(piece, { maxLength: piecesEach }),
    zeroLow: word,
    zeroHigh: word,
    dense: fc.nat({ max: 64 }),
  });
  const view = viewOf(new Uint8Array(4096));
  fc.assert(
    fc.property(entries, fc.nat({ max: 31 }), fc.nat({ max: 63 }), (given, index, block) => {
      writeEntry(view, index, given);
      t.deepEqual(readEntry(view, index), given);
      const has = ({ low, high }: { low: number; high: number }): boolean =>
        (((block < 32 ? low : high) >>> (block & 31)) & 1) === 1;
      t.is(slotOf(view, index, block), given.pieces.find(has)?.slot ?? -1);
      t.is(isReserved(view, index, block), has({ low: given.zeroLow, high: given.zeroHigh }));
    }),
  );
});

test('the blocks that differ between two leaves are those that lie elsewhere, or nowhere and reserved in one alone', (t) => {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  const piece = fc.record({
    slot: fc.nat({ max: 3 }),
    birth: fc.constant(1),
    low: word,
    high: word,
    packed: fc.constant(0),
  });
  // Each block is in one piece at the most, and reserved in none of those.
  const entry = fc
    .record({
      pieces: fc.uniqueArray(piece, { maxLength: piecesEach, selector: ({ slot }) => slot }),
      low: word,
      high: word,
    })
    .map(({ pieces, low, high }) => {
      const given: ChunkEntry = { pieces: [], zeroLow: low, zeroHigh: high, dense: 0 };
      for (const each of pieces) {
        const free = { low: 0xffffffff, high: 0xffffffff };
        for (const other of given.pieces) [free.low, free.high] = [free.low & ~other.low, free.high & ~other.high];
        const own = { ...each, low: (each.low & free.low) >>> 0, high: (each.high & free.high) >>> 0 };
        given.pieces.push(own);
        given.zeroLow = (given.zeroLow & ~own.low) >>> 0;
        given.zeroHigh = (given.zeroHigh & ~own.high) >>> 0;
      }
      return given;
    });
  const leafOf = (given: ChunkEntry | undefined): DataView | undefined => {
    if (given === undefined) return undefined;
    const view = viewOf(new Uint8Array(4096));
    writeEntry(view, 5, given);
    return view;
  };
  const placeIn = (leaf: DataView | undefined, block: number): number => {
    const slot = leaf === undefined ? -1 : slotOf(leaf, 5, block);
    return slot < 0 && leaf !== undefined && isReserved(leaf, 5, block) ? -2 : slot;
  };
  const maybe = fc.option(entry, { nil: undefined });
  fc.assert(
    fc.property(maybe, maybe, (one, other) => {
      const [before, after] = [leafOf(one), leafOf(other)];
      const changed = changedBlocks(before, after, 5);
      for (let block = 0; block < 64; block += 1) {
        t.is(hasBit(changed, block), placeIn(before, block) !== placeIn(after, block));
      }
    }),
  );
});

test('the entries in which two leaves differ are found, in order, and a leaf that is not there has none', (t) => {
  const places = fc.uniqueArray(fc.nat({ max: entriesEach - 1 }), { maxLength: 5 });
  fc.assert(
    fc.property(places, (changed) => {
      const before = new Uint8Array(4096).fill(7);
      const after = before.slice();
      for (const index of changed) after[index * 128 + 127] = 8;
      t.deepEqual(
        otherEntries(viewOf(before), viewOf(after)),
        changed.toSorted((one, other) => one - other),
      );
    }),
  );
  const leaf = new Uint8Array(4096);
  leaf[3 * 128] = 1;
  t.deepEqual(otherEntries(undefined, viewOf(leaf)), [3]);
  t.deepEqual(otherEntries(viewOf(leaf), undefined), [3]);
  t.deepEqual(otherEntries(undefined, undefined), []);
});
