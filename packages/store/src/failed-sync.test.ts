import { AshlarError, KiB, MiB } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { SimulatedMachine, withFiles } from '@ashlar/testing';
import test from 'ava';
import { blockSize } from './checksum.ts';
import { openPool, type ChunkPool } from './index.ts';

const blocks = 16;
const filled = (byte: number): Uint8Array => new Uint8Array(blockSize).fill(byte);

/** A machine whose syncs of the journal's segments fail when they are told to. */
class FailingJournal {
  readonly machine: SimulatedMachine;
  /** What becomes of the next syncs of segments: each one takes the first away. */
  readonly next: ((file: HostFile) => void)[] = [];
  #store = 0;
  #object = 0;

  constructor(seed: number) {
    this.machine = new SimulatedMachine(seed);
    this.machine.makeDurableDirectory('/pool');
  }

  open(): Promise<ChunkPool> {
    const { machine } = this;
    const host = withFiles(machine.host, (file) => this.#failing(file));
    const opened = openPool(host, '/pool', {
      chunkSizeBytes: 64 * KiB,
      overlayBytes: 8 * MiB,
      journalBytes: 10 * MiB,
      openRecords: () => machine.openRecords(),
    });
    return this.machine.finish(opened);
  }

  #failing(file: HostFile): HostFile {
    if (!file.path.includes('/segment-')) return file;
    const sync = file.sync.bind(file);
    file.sync = async () => {
      const fate = this.next.shift();
      if (fate === undefined) return await sync();
      fate(file);
      throw new AshlarError('io', 'the sync failed');
    };
    return file;
  }

  /** A pool with a volume of zeros, all home. */
  async make(): Promise<ChunkPool> {
    const pool = await this.open();
    this.#store = await this.machine.finish(pool.createStore());
    const store = await pool.openStore(this.#store);
    this.#object = await this.machine.finish(store.create(blocks * blockSize, 'off'));
    await this.machine.finish(pool.checkpoint());
    this.write = async (block, byte) =>
      this.machine.finish(store.write(this.#object, block * blockSize, filled(byte), false));
    this.flush = async () => this.machine.finish(store.sync());
    return pool;
  }

  write: (block: number, byte: number) => Promise<void> = () => Promise.reject(new Error('there is no pool yet'));
  flush: () => Promise<void> = () => Promise.reject(new Error('there is no pool yet'));

  /** The first byte of each block. */
  async show(pool: ChunkPool): Promise<number[]> {
    const store = await pool.openStore(this.#store);
    const shown: number[] = [];
    for (let block = 0; block < blocks; block += 1) {
      const into = new Uint8Array(blockSize);
      await this.machine.finish(store.read(this.#object, block * blockSize, into));
      shown.push(into[0] ?? -1);
    }
    return shown;
  }
}

const nothing = (): void => undefined;

/** Zeros over all that the segment holds: the page cache has let go of it. */
const forget = (file: HostFile): void => void file.write(0, new Uint8Array(file.size()));

test('what a failed sync was to make durable is durable elsewhere when the flush is answered, whatever power takes', async (t) => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const failing = new FailingJournal(seed);
    const pool = await failing.make();
    for (let block = 0; block < 8; block += 1) await failing.write(block, 0x40 + block);
    failing.next.push(nothing);
    await failing.flush();
    t.is((await pool.status()).state, 'ok');
    for (let block = 8; block < 12; block += 1) await failing.write(block, 0x40 + block);
    await failing.flush();
    failing.machine.crash(true);
    const shown = await failing.show(await failing.open());
    t.deepEqual(
      shown.slice(0, 12),
      Array.from({ length: 12 }, (_, block) => 0x40 + block),
      `seed ${seed}`,
    );
  }
});

test('a failed sync is counted, and a segment that failed is used no more and removed', async (t) => {
  const failing = new FailingJournal(1);
  const pool = await failing.make();
  await failing.write(0, 0x41);
  let bad = '';
  failing.next.push((file) => {
    bad = file.path;
  });
  await failing.flush();
  t.is((await pool.status()).failedSyncs, 1);
  const contents = (): Uint8Array => {
    const file = failing.machine.host.open(bad, {});
    const bytes = new Uint8Array(file.size());
    file.readSync(0, bytes);
    file.close();
    return bytes;
  };
  const before = contents();
  t.true(before.includes(0x41), 'recovery may need it still');
  for (let block = 0; block < blocks; block += 1) await failing.write(block, 0x50 + block);
  await failing.flush();
  t.deepEqual(contents(), before);
  await failing.machine.finish(pool.checkpoint());
  t.false(contents().includes(0x41), 'a new file may have its name');
});

test('what was appended while the sync ran comes along, and waits for nothing to be lost', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const failing = new FailingJournal(seed);
    await failing.make();
    await failing.write(0, 0x41);
    failing.next.push(nothing);
    const flushed = failing.flush();
    await Promise.all(Array.from({ length: 8 }, (_, index) => failing.write(1 + index, 0x51 + index)));
    await flushed;
    await failing.flush();
    failing.machine.crash(true);
    const shown = await failing.show(await failing.open());
    t.deepEqual(shown.slice(0, 9), [0x41, ...Array.from({ length: 8 }, (_, index) => 0x51 + index)], `seed ${seed}`);
  }
});

test('where memory does not hold it any more the pool has failed', async (t) => {
  const failing = new FailingJournal(1);
  const pool = await failing.make();
  await failing.write(0, 0x41);
  failing.next.push(forget);
  await t.throwsAsync(() => failing.flush(), { instanceOf: AshlarError, message: /pool has failed/ });
  t.is((await pool.status()).state, 'failed');
});

test('where the second sync fails the pool has failed', async (t) => {
  const failing = new FailingJournal(1);
  const pool = await failing.make();
  await failing.write(0, 0x41);
  failing.next.push(nothing, nothing);
  await t.throwsAsync(() => failing.flush(), { instanceOf: AshlarError, message: /pool has failed/ });
  t.is((await pool.status()).state, 'failed');
  await t.throwsAsync(() => failing.write(1, 0x42), { instanceOf: AshlarError });
});

test('a frame whose first copy is spoilt is taken from where it was written anew', async (t) => {
  const failing = new FailingJournal(1);
  await failing.make();
  for (let block = 0; block < 4; block += 1) await failing.write(block, 0x40 + block);
  let bad = '';
  failing.next.push((file) => {
    bad = file.path;
  });
  await failing.flush();
  await failing.write(5, 0x45);
  await failing.flush();
  failing.machine.crash(false);
  const file = failing.machine.host.open(bad, {});
  // The blocks of the frames, and not their headers.
  const block = new Uint8Array(blockSize);
  for (let offset = 0; offset < file.size(); offset += blockSize) {
    file.readSync(offset, block);
    if (block.every((byte) => byte === block[0]) && block[0] !== 0) await file.write(offset, filled(0xff));
  }
  const shown = await failing.show(await failing.open());
  t.deepEqual(shown.slice(0, 6), [0x40, 0x41, 0x42, 0x43, 0, 0x45]);
});
