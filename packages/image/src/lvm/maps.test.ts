import { memoryDevice } from '@ashlar/block';
import { AshlarError, KiB, MiB, type BlockDevice } from '@ashlar/core';
import { failsWith, SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { ChunkReads, type ChunkMap } from './chunk-reads.ts';
import { kernelCrc32c } from './crc32c.ts';
import { imageInSync } from './raid-superblock.ts';
import { snapshotMap } from './snapshot-store.ts';
import { ThinMetadata } from './thin-metadata.ts';

const cases = process.env['ASHLAR_LONG'] === '1' ? 30_000 : 400;

async function deviceOf(sizeBytes: number, ...parts: readonly (readonly [number, Uint8Array])[]): Promise<BlockDevice> {
  const device = memoryDevice(sizeBytes);
  for (const [offset, bytes] of parts) await device.write(offset, bytes, false);
  return device;
}

const words = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32LE(value, at * 4);
  return bytes;
};

const longs = (...values: readonly (number | bigint)[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 8);
  for (const [at, value] of values.entries()) bytes.writeBigUInt64LE(BigInt(value), at * 8);
  return bytes;
};

async function firstByte(map: ChunkMap, offset: number): Promise<number> {
  const into = new Uint8Array(512);
  await new ChunkReads(map, () => undefined).read(offset, into);
  return into[0]!;
}

const snapMagic = 0x7041_6e53;
const chunk = 4 * KiB;

/** A store whose first area is full: it has 256 entries, and one more in the second. */
function fullStore(): Promise<BlockDevice> {
  const entries = Array.from({ length: 256 }, (_, at) => [at, at + 2]).flat();
  return deviceOf(
    4 * MiB,
    [0, words(snapMagic, 1, 1, 8)],
    [chunk, longs(...entries)],
    [2 * chunk, Buffer.alloc(255 * chunk, 8)],
    [258 * chunk, longs(300, 259)],
    [259 * chunk, Buffer.alloc(chunk, 9)],
  );
}

const origin = (): Promise<BlockDevice> => deviceOf(2 * MiB, [0, new Uint8Array(2 * MiB).fill(1)]);

test('a snapshot has what its store has of a chunk, over all of its areas, and else what the origin has', async (t) => {
  const map = await snapshotMap(await fullStore(), await origin(), 's');
  t.is(map.chunkBytes, chunk);
  t.is(map.sizeBytes, 2 * MiB);
  t.is(await firstByte(map, 254 * chunk), 8);
  t.is(await firstByte(map, 300 * chunk), 9);
  t.is(await firstByte(map, 301 * chunk), 1);
  const unused = await snapshotMap(await deviceOf(MiB), await origin(), 's');
  t.is(await firstByte(unused, MiB), 1);
});

test('a store that is full, damaged or none is refused', async (t) => {
  for (const head of [
    words(snapMagic, 0, 1, 8),
    words(snapMagic, 1, 2, 8),
    words(snapMagic, 1, 1, 9),
    words(snapMagic, 1, 1, 0),
    words(snapMagic, 1, 1, 0xffff_ffff),
    words(7),
  ])
    await failsWith(
      t,
      'corrupt',
      async () => void (await snapshotMap(await deviceOf(MiB, [0, head]), await origin(), 's')),
    );
  const outside = await deviceOf(MiB, [0, words(snapMagic, 1, 1, 8)], [chunk, longs(0, 256)]);
  await failsWith(t, 'corrupt', async () => void (await snapshotMap(outside, await origin(), 's')));
});

/** A block with its checksum. */
function sealed(bytes: Buffer, salt: number): Buffer {
  const block = Buffer.concat([bytes, Buffer.alloc(4096)]).subarray(0, 4096);
  block.writeUInt32LE((kernelCrc32c(block.subarray(4)) ^ salt) >>> 0, 0);
  return block;
}

function superblock(): Buffer {
  const bytes = Buffer.alloc(4096);
  longs(27_022_010).copy(bytes, 32);
  words(2).copy(bytes, 40);
  longs(1).copy(bytes, 320);
  words(128, 8).copy(bytes, 336);
  return bytes;
}

function node(number: number, isLeaf: boolean, pairs: readonly (readonly [number, number | bigint])[]): Buffer {
  const room = 252;
  const bytes = Buffer.alloc(4096);
  words(0, isLeaf ? 2 : 1).copy(bytes, 0);
  longs(number).copy(bytes, 8);
  words(pairs.length, room, 8).copy(bytes, 16);
  longs(...pairs.map(([key]) => key)).copy(bytes, 32);
  longs(...pairs.map(([, value]) => value)).copy(bytes, 32 + 8 * room);
  return bytes;
}

const salts = { superblock: 160_774, node: 121_107 };
const placed = (place: number): bigint => (BigInt(place) << 24n) | 5n;

/** Device 1 has two leaves under an inner node, device 3 nothing. */
const blocks = (): Buffer[] => [
  superblock(),
  node(1, true, [
    [1, 2],
    [3, 5],
  ]),
  node(2, false, [
    [0, 3],
    [100, 4],
  ]),
  node(3, true, [
    [0, placed(7)],
    [5, placed(8)],
  ]),
  node(4, true, [
    [100, placed(9)],
    [1000, placed(10)],
  ]),
  node(5, true, []),
];

const thinDevice = (found: readonly Buffer[]): Promise<BlockDevice> =>
  deviceOf(
    64 * KiB,
    ...found.map((block, at) => [at * 4096, sealed(block, at === 0 ? salts.superblock : salts.node)] as const),
  );

test("the places of a thin volume's chunks are found in its tree, and none where it has none", async (t) => {
  const metadata = await ThinMetadata.open(await thinDevice(blocks()), 'p');
  t.is(metadata.chunkBytes, 64 * KiB);
  const root = (await metadata.device(1))!;
  t.is(root, 2);
  for (const [key, place] of [
    [0, 7],
    [5, 8],
    [4, undefined],
    [6, undefined],
    [100, 9],
    [1000, 10],
    [1001, undefined],
  ] as const)
    t.is(await metadata.chunk(root, key), place, `chunk ${key}`);
  t.is(await metadata.chunk((await metadata.device(3))!, 0), undefined);
  t.is(await metadata.device(2), undefined);
});

test('metadata of a pool with any of its bytes damaged is refused or read, and nothing else', async (t) => {
  let read = 0;
  for (let seed = 1; seed <= cases; seed += 1) {
    const random = new SeededRandom(seed);
    const found = blocks();
    for (let count = 1 + random.below(3); count > 0; count -= 1) {
      const block = random.pick(found);
      const at = random.oneIn(2) ? random.below(64) : random.pick([320, 336, 340, 360, 32 + 8 * 252, 32 + 8 * 253]);
      if (random.oneIn(2)) block[at] = random.below(256);
      else block.writeBigUInt64LE(random.pick([0n, 1n, 2n, 3n, 0xffff_ffff_ffff_ffffn, 1n << 40n]), Math.min(at, 4088));
    }
    try {
      const metadata = await ThinMetadata.open(await thinDevice(found), 'p');
      const root = await metadata.device(random.pick([1, 2, 3]));
      if (root !== undefined) for (const key of [0, 5, 99, 1000, 2 ** 40]) await metadata.chunk(root, key);
      read += 1;
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
    }
  }
  t.true(read > 0 && read < cases, `${read} of ${cases} were read`);
});

test('a bit that flipped in a block is seen by its checksum', async (t) => {
  const device = await thinDevice(blocks());
  await device.write(3 * 4096 + 32, new Uint8Array([9]), false);
  const metadata = await ThinMetadata.open(device, 'p');
  await failsWith(t, 'corrupt', () => metadata.chunk(2, 0).then(() => undefined));
  await device.write(340, new Uint8Array([9]), false);
  await failsWith(t, 'corrupt', () => ThinMetadata.open(device, 'p').then(() => undefined));
});

test('of RAID 1 the first copy is read that the newest words of the kernel call whole', async (t) => {
  const whole = 0xffff_ffff_ffff_ffffn;
  const image = async (
    name: string,
    state: readonly [events: number, failed: number, recovered: bigint] | undefined,
    position = 0,
  ) => ({
    name,
    data: await deviceOf(MiB),
    metadata:
      state === undefined
        ? await deviceOf(MiB)
        : await deviceOf(MiB, [0, Buffer.concat([words(0x6452_6d44, 0, 2, position), longs(...state)])]),
  });
  const chosen = async (one: Parameters<typeof image>[1], other: Parameters<typeof image>[1]) =>
    (await imageInSync([await image('one', one), await image('other', other, 1)]))?.name;
  t.is(await chosen(undefined, undefined), 'one');
  t.is(await chosen([5, 0, whole], [5, 0, whole]), 'one');
  t.is(await chosen([4, 0, whole], [5, 0, whole]), 'other');
  t.is(await chosen([5, 1, whole], [5, 1, whole]), 'other');
  t.is(await chosen([5, 0, 1000n], [5, 0, whole]), 'other');
  t.is(await chosen([5, 0, 1000n], [4, 0, whole]), undefined);
  t.is(await imageInSync([]), undefined);
});

test('CRC-32C is that of the kernel', (t) => {
  t.is(~kernelCrc32c(Buffer.from('123456789')) >>> 0, 0xe306_9283);
});
