import { AshlarError, KiB, MiB, type Pool } from '@ashlar/core';
import { SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { blockSize } from './checksum.ts';
import { decodeHead, headerLengthAt, type Frame } from './format/journal-frame.ts';
import { openPool, type ChunkPool } from './index.ts';

type Write = { readonly block: number; readonly blocks: number };

/** Where a frame is on a machine. */
type Place = { readonly path: string; readonly offset: number; readonly frame: Frame };

const objectBlocks = 64;

/** What a write of that number puts into each of its blocks; block 0 tells the write, the rest the block. */
const filled = (write: number): Uint8Array => new Uint8Array(blockSize).fill(0x20 + (write % 200));

/** A machine that runs only while somebody waits: no checkpoint comes of itself. */
class Crashed {
  readonly machine = new SimulatedMachine(1);
  readonly writes: Write[];
  places: Place[] = [];
  #store = 0;
  #object = 0;

  constructor(writes: readonly Write[]) {
    this.writes = [...writes];
    this.machine.makeDurableDirectory('/pool');
  }

  /** Each write is durable and so a frame of its own; then a record, a last write, and a killed process. */
  async run(): Promise<this> {
    const pool = await this.open();
    this.#store = await this.machine.finish(pool.createStore());
    const store = await pool.openStore(this.#store);
    this.#object = await this.machine.finish(store.create(objectBlocks * blockSize, 'off'));
    await this.machine.finish(store.write(this.#object, 0, new Uint8Array(objectBlocks * blockSize).fill(0x11), true));
    await this.machine.finish(pool.checkpoint());
    const before = this.#frames().at(-1)?.frame.number ?? -1;
    for (const [number, { block, blocks }] of this.writes.entries()) {
      const bytes = Buffer.concat(Array.from({ length: blocks }, () => filled(number)));
      await this.machine.finish(store.write(this.#object, block * blockSize, bytes, true));
    }
    await this.machine.finish(store.commit([{ key: Buffer.from('k'), value: Buffer.from('v') }], true));
    await this.machine.finish(store.write(this.#object, (objectBlocks - 1) * blockSize, filled(199), true));
    this.machine.crash(false);
    this.places = this.#frames().filter(({ frame }) => frame.number > before);
    return this;
  }

  open(): Promise<ChunkPool> {
    const { machine } = this;
    const opened = openPool(machine.host, '/pool', {
      chunkSizeBytes: 64 * KiB,
      overlayBytes: 8 * MiB,
      journalBytes: 10 * MiB,
      openRecords: () => machine.openRecords(),
    });
    return this.machine.finish(opened);
  }

  /** Every frame in the journal, by its number. */
  #frames(): Place[] {
    const found: Place[] = [];
    for (const name of this.machine.host.list('/pool/journal')) {
      const path = `/pool/journal/${name}`;
      const file = this.machine.host.open(path, {});
      for (let offset = 0; offset < file.size(); offset += blockSize) {
        const header = new Uint8Array(blockSize);
        file.readSync(offset, header);
        const frame = headerLengthAt(header) === blockSize ? decodeHead(header, this.#poolId()) : undefined;
        if (frame !== undefined) found.push({ path, offset, frame });
      }
      file.close();
    }
    return found.toSorted((a, b) => a.frame.number - b.frame.number);
  }

  #poolId(): string {
    const superblock = new Uint8Array(blockSize);
    const file = this.machine.host.open('/pool/ashlar.pool', {});
    file.readSync(0, superblock);
    file.close();
    return Buffer.from(superblock.subarray(16, 32)).toString('hex');
  }

  /** The frame of a write. */
  place(write: number): Place {
    const place = this.places[write];
    if (place === undefined) throw new Error(`there is no frame of write ${write}`);
    return place;
  }

  /** One more durable write, by whoever has the pool open, and a killed process again. */
  async writeMore(pool: Pool, write: Write): Promise<void> {
    const store = await pool.openStore(this.#store);
    const bytes = Buffer.concat(Array.from({ length: write.blocks }, () => filled(this.writes.length)));
    await this.machine.finish(store.write(this.#object, write.block * blockSize, bytes, true));
    this.writes.push(write);
    this.machine.crash(false);
  }

  /** Changes bytes of a frame's blocks, from its header on. */
  async damage({ path, offset }: Place, from: number, change: (bytes: Uint8Array) => void, length = 1): Promise<void> {
    const file = this.machine.host.open(path, {});
    const bytes = new Uint8Array(length);
    file.readSync(offset + from, bytes);
    change(bytes);
    await file.write(offset + from, bytes);
    file.close();
  }

  /** The blocks that answer `corrupt`, and what is wrong with the others. */
  async readBack(pool: Pool): Promise<{ corrupt: number[]; wrong: string[] }> {
    const store = await pool.openStore(this.#store);
    const corrupt: number[] = [];
    const wrong: string[] = [];
    for (let block = 0; block < objectBlocks; block += 1) {
      const last = this.writes.findLastIndex((write) => block >= write.block && block < write.block + write.blocks);
      const expected = block === objectBlocks - 1 ? filled(199) : last < 0 ? filled(0x11 - 0x20) : filled(last);
      const into = new Uint8Array(blockSize);
      try {
        await this.machine.finish(store.read(this.#object, block * blockSize, into));
        if (Buffer.compare(into, expected) !== 0) wrong.push(`block ${block}: ${into[0]} instead of ${expected[0]}`);
      } catch (error) {
        if (error instanceof AshlarError && error.kind === 'corrupt') corrupt.push(block);
        else wrong.push(`block ${block}: ${String(error)}`);
      }
    }
    const record = await store.getRecord(Buffer.from('k'));
    if (Buffer.from(record ?? []).toString() !== 'v') wrong.push('the record is not there');
    return { corrupt, wrong };
  }
}

const eight: readonly Write[] = Array.from({ length: 8 }, (_, index) => ({ block: index * 2, blocks: 2 }));

const flip = (bytes: Uint8Array): void => {
  bytes[0] = (bytes[0] ?? 0) ^ 0x10;
};

/** Bytes of a header, one or more of each field: of the head, of its record, of the copy in it, and of what is behind. */
const bytesOfHeader = [0, 3, 4, 7, 8, 12, 16, 22, 24, 28, 29, 32, 36, 40, 47, 48, 55, 56, 60, 63]
  .concat([64, 68, 72, 80, 88, 96, 104, 108, 112, 119])
  .concat([120, 124, 128, 136, 140, 144, 152, 200, 240, 255])
  .concat([256, 1000, 4095]);

/** All that is wrong with what a pool shows, in words; the blocks that answer `corrupt`. */
const nothing = { corrupt: [], wrong: [] };

test('what a start took over and has not brought home yet is there after the next kill, and after those behind it', async (t) => {
  const crashed = await new Crashed(eight).run();
  for (let round = 0; round < 6; round += 1) {
    const pool = await crashed.open();
    t.is((await pool.status()).checkpoints, 0, 'nothing is home when the pool is open');
    if (round % 3 < 2) crashed.machine.crash(false);
    else await crashed.writeMore(pool, { block: 3 + round * 9, blocks: 3 });
  }
  const pool = await crashed.open();
  await crashed.machine.finish(pool.checkpoint());
  t.deepEqual(await crashed.readBack(pool), nothing);
});

test('the last header of a generation is mended by the first one of the next', async (t) => {
  const crashed = await new Crashed(eight).run();
  const last = crashed.place(eight.length + 1);
  await crashed.writeMore(await crashed.open(), { block: 3, blocks: 3 });
  await crashed.damage(last, 20, flip);
  t.deepEqual(await crashed.readBack(await crashed.open()), nothing);
});

test('whichever byte of a promised header is flipped, all that was in the frame and behind it is there', async (t) => {
  for (const byte of bytesOfHeader) {
    for (const write of [0, 3]) {
      const crashed = await new Crashed(eight).run();
      await crashed.damage(crashed.place(write), byte, flip);
      const pool = await crashed.open();
      t.deepEqual(await crashed.readBack(pool), nothing, `byte ${byte} of write ${write}`);
      t.like(await pool.status(), { state: 'ok', corruptBlocks: 1, lossGeneration: 0 });
    }
  }
});

test('so it is where a sector of the header, or all of it, is of zeros or of something else', async (t) => {
  for (const byte of [0, 0xa5]) {
    for (const [from, length] of [
      ...Array.from({ length: 8 }, (_, at) => [at * 512, 512] as const),
      [0, 4096],
    ] as const) {
      const crashed = await new Crashed(eight).run();
      await crashed.damage(crashed.place(2), from, (bytes) => bytes.fill(byte), length);
      const pool = await crashed.open();
      t.deepEqual(await crashed.readBack(pool), nothing, `${length} bytes at ${from}`);
    }
  }
});

test('of a frame whose header and one block are damaged the block answers corrupt, and nothing else', async (t) => {
  const crashed = await new Crashed(eight).run();
  await crashed.damage(crashed.place(3), 20, flip);
  await crashed.damage(crashed.place(3), 2 * blockSize + 9, flip);
  const pool = await crashed.open();
  t.deepEqual(await crashed.readBack(pool), { corrupt: [7], wrong: [] });
  t.like(await pool.status(), { state: 'ok', lossGeneration: 0 });
  await crashed.machine.finish(pool.close());
  const again = await crashed.open();
  t.deepEqual(await crashed.readBack(again), { corrupt: [7], wrong: [] }, 'after another start, too');
});

test('a block that a later frame writes anew is not lost with the frame that wrote it first', async (t) => {
  const crashed = await new Crashed([...eight, { block: 6, blocks: 2 }]).run();
  await crashed.damage(crashed.place(3), 20, flip);
  await crashed.damage(crashed.place(3), 2 * blockSize + 9, flip);
  t.deepEqual(await crashed.readBack(await crashed.open()), nothing);
});

test('the header of a frame that points to a slot, and one whose successor is in another segment, are mended', async (t) => {
  const large: readonly Write[] = Array.from({ length: 40 }, (_, index) => ({
    block: index === 5 ? 16 : (index % 4) * 16,
    blocks: index === 5 ? 16 : 15,
  }));
  const whole = await new Crashed(large).run();
  const last = large.findIndex((_, write) => whole.place(write).path !== whole.place(write + 1).path);
  t.true(last > 0, 'there are two segments');
  t.is(whole.place(5).frame.dataBlocks, 0);
  for (const write of [5, last, last + 1]) {
    const crashed = await new Crashed(large).run();
    await crashed.damage(crashed.place(write), 20, flip);
    t.deepEqual(await crashed.readBack(await crashed.open()), nothing, `write ${write}`);
  }
});

test('where two headers in a row are damaged nobody knows what the first one wrote: that is told, for good', async (t) => {
  const crashed = await new Crashed(eight).run();
  await crashed.damage(crashed.place(3), 20, flip);
  await crashed.damage(crashed.place(4), 20, flip);
  const pool = await crashed.open();
  t.deepEqual(await crashed.readBack(pool), {
    corrupt: [],
    wrong: ['block 6: 17 instead of 35', 'block 7: 17 instead of 35'],
  });
  const told = { lossGeneration: 1, promisedLossGeneration: 1 };
  const status = await pool.status();
  t.like(status, { state: 'degraded', ...told });
  t.regex(status.reason ?? '', /1 frame.*promised.*held/);
  await crashed.machine.finish(pool.close());
  t.like(await (await crashed.open()).status(), { state: 'ok', ...told });
});

test('frames that became zeros are told of, however many there are', async (t) => {
  for (const bytes of [8 * blockSize, 18 * blockSize]) {
    const crashed = await new Crashed(eight).run();
    await crashed.damage(crashed.place(1), 0, (part) => part.fill(0), bytes);
    const pool = await crashed.open();
    t.like(await pool.status(), { state: 'degraded', promisedLossGeneration: 1 });
    const { wrong } = await crashed.readBack(pool);
    t.true(wrong.length > 0 && wrong.every((line) => line.includes(' 17 instead of ')), wrong.join('; '));
  }
});

test('the last frame, of which nothing says that it was promised, ends the history', async (t) => {
  const crashed = await new Crashed(eight).run();
  await crashed.damage(crashed.place(eight.length + 1), 20, flip);
  const pool = await crashed.open();
  t.deepEqual(await crashed.readBack(pool), { corrupt: [], wrong: ['block 63: 17 instead of 231'] });
});
