import { allDone, andThen, AshlarError, assert, costOf, isPromise, MiB, type Flow, type Settled } from '@ashlar/core';
import { BlockCache } from '../block-cache.ts';
import { blockSize, firstDamaged } from '../checksum.ts';
import { fileBytes } from '../file-places.ts';
import { entriesEach, readEntry, runsIn, runsOf, type Bits, type BlockRun } from '../format/map-leaf.ts';
import { readObject } from '../read.ts';
import { checksumLeafOf, checksumsEach } from '../slot-checksums.ts';
import { sorted } from '../sorted.ts';
import type { PoolParts } from '../state.ts';
import type { Turns } from '../turns.ts';
import type { Gate } from './gate.ts';
import type { WalkedState } from './walked.ts';

/** Transfers at once, and what one of them brings at the most. */
const readsAtOnce = 16;
const mostReadBytes = MiB;
/** Blocks that nobody asks for are read along where they lie between others: the disk goes on as it is. */
const mostGapBlocks = 32;
/** Runs that are gathered, to be read in the order in which they lie. */
const mostRuns = 16_384;

/** A run of blocks on the disk, and where they begin: slot × blocks of a slot + block. */
type Run = {
  readonly state: WalkedState;
  readonly place: number;
  readonly blocks: number;
  /** Where in the state the blocks begin, or the chunk does whose piece lies there compressed. */
  readonly offset: number;
  /** Of a compressed piece the blocks of its chunk that are there. */
  readonly packed: Bits | undefined;
};

/** Runs that one transfer brings, in the order in which they lie. */
type Transfer = { readonly place: number; readonly blocks: number; readonly runs: readonly Run[] };

type SweepParts = {
  readonly pool: PoolParts;
  readonly gate: Gate;
  readonly turns: Turns;
  /** The share of the disk that a scrub has beside those who compete for it. */
  readonly flow: Flow;
  /** What is gathered before it is read. */
  readonly mostBytes: number;
  /** So many more bytes were read and verified, damaged or not. */
  readonly done: (bytes: number) => void;
  /** They cannot be read as they were written. */
  readonly damaged: (state: WalkedState, offset: number, length: number) => void;
};

/**
 * Verifies what leaves map, past every cache. Of what many leaves name it reads the places in their order, by long transfers, several
 * at once; what does not verify there is read again as a client would, so that what is overwritten or trimmed meanwhile is no damage.
 */
export class SlotSweep {
  readonly #parts: SweepParts;
  /** The same pool without a cache of blocks. */
  readonly #uncached: PoolParts;
  readonly #runs: Run[] = [];
  #bytes = 0;

  constructor(parts: SweepParts) {
    const { pool } = parts;
    this.#parts = parts;
    this.#uncached = { ...pool, cache: new BlockCache(pool.host, 0, pool.blocksEach) };
  }

  /** As much as it reads together is gathered. */
  get isFull(): boolean {
    return this.#runs.length >= mostRuns || this.#bytes >= this.#parts.mostBytes;
  }

  /** Takes what a leaf maps of pieces that were born behind `floor`. */
  add(state: WalkedState, floor: number, leaf: DataView, index: number): void {
    const { chunkSizeBytes, blocksEach } = this.#parts.pool;
    for (let at = 0; at < entriesEach; at += 1) {
      const start = (index * entriesEach + at) * chunkSizeBytes;
      for (const piece of readEntry(leaf, at).pieces) {
        if (piece.birth <= floor) continue;
        // What is compressed is so as a whole.
        if (piece.packed > 0) this.#add(state, start, { slot: piece.slot, block: 0, blocks: piece.packed }, piece);
        else for (const run of runsOf(piece, blocksEach)) this.#add(state, start, run);
      }
    }
  }

  #add(state: WalkedState, start: number, { slot, block, blocks }: BlockRun, packed?: Bits): void {
    const { blocksEach } = this.#parts.pool;
    this.#runs.push({ state, place: slot * blocksEach + block, blocks, offset: start + block * blockSize, packed });
    this.#bytes += blocks * blockSize;
  }

  /** Reads and verifies what was gathered. What is left when the gate ends is forgotten. */
  async run(): Promise<void> {
    const runs = this.#runs.splice(0);
    this.#bytes = 0;
    const transfers = transfersOf(await inOrder(runs, this.#parts.turns));
    const lane = async (): Promise<void> => {
      for (const transfer of transfers) {
        if (!(await this.#parts.gate.pass(transfer.blocks * blockSize))) return;
        await this.#inTurn(transfer.blocks * blockSize, () => this.#transfer(transfer));
      }
    };
    await allDone(Array.from({ length: readsAtOnce }, lane));
  }

  #inTurn(bytes: number, work: () => Promise<void>): Promise<void> {
    const { flow } = this.#parts;
    const cost = costOf(bytes);
    return new Promise((resolve) => {
      flow.submit({ cost, behind: undefined, begin: () => resolve(work().finally(() => flow.ended(cost))) });
    });
  }

  async #transfer({ place, blocks, runs }: Transfer): Promise<void> {
    const { pool, done } = this.#parts;
    const { blocksEach } = pool;
    const others: Run[] = [];
    await pool.scratch.use(blocks * blockSize, async (memory) => {
      const bytes = memory.subarray(0, blocks * blockSize);
      const isRead = await succeeds(() =>
        andThen(pool.data.read(Math.floor(place / blocksEach), place % blocksEach, bytes), (count) => {
          bytes.fill(0, count);
        }),
      );
      for (const run of runs) {
        const from = (run.place - place) * blockSize;
        if (isRead && (await this.#isWhole(run, bytes.subarray(from, from + run.blocks * blockSize)))) {
          done(run.blocks * blockSize);
        } else others.push(run);
      }
    });
    for (const run of others) await this.#readAgain(run);
  }

  /** Whether the bytes are those that the committed table has the checksums of. */
  async #isWhole({ place }: Run, bytes: Uint8Array): Promise<boolean> {
    let isWhole = false;
    const looked = await succeeds(() =>
      andThen(this.#parts.pool.checksums.leaf(checksumLeafOf(place)), (page) => {
        if (page === undefined) return;
        const words = new Uint32Array(page.bytes.buffer, page.bytes.byteOffset, checksumsEach);
        isWhole = firstDamaged(bytes, words, place % checksumsEach) < 0;
      }),
    );
    return looked && isWhole;
  }

  async #readAgain({ state, offset, blocks, packed }: Run): Promise<void> {
    const runs = packed === undefined ? [{ block: 0, blocks }] : runsIn(packed, this.#parts.pool.blocksEach);
    for (const run of runs) await this.#readBlocks(state, offset + run.block * blockSize, run.blocks * blockSize);
    this.#parts.done(blocks * blockSize);
  }

  async #readBlocks(state: WalkedState, offset: number, length: number): Promise<void> {
    if (await this.#reads(state, offset, length)) return;
    for (let at = offset; at < offset + length; at += blockSize) {
      if (!(await this.#reads(state, at, blockSize)) && state.isThere()) this.#parts.damaged(state, at, blockSize);
    }
  }

  #reads({ readable }: WalkedState, offset: number, length: number): Promise<boolean> {
    return succeeds(() =>
      this.#parts.pool.scratch.use(length, (memory) =>
        readObject(this.#uncached, readable, offset, memory.subarray(0, length)),
      ),
    );
  }
}

/** False where the disk refuses, or gives other bytes than were written. */
async function succeeds(read: () => Settled<void>): Promise<boolean> {
  try {
    const reading = read();
    if (isPromise(reading)) await reading;
    return true;
  } catch (error) {
    if (error instanceof AshlarError && (error.kind === 'corrupt' || error.kind === 'io')) return false;
    throw error;
  }
}

async function inOrder(runs: readonly Run[], turns: Turns): Promise<Run[]> {
  // A place and the number of its run in one: at most 2^53 together.
  const keys = runs.map(({ place }, index) => place * mostNumbers + index);
  assert(runs.length <= mostNumbers, 'the numbers of runs have room behind a place');
  const found = await sorted(keys, keys.length, turns);
  return Array.from(found, (key) => runs[key % mostNumbers]!);
}

/** Above the runs that are gathered: what the last leaf adds may go beyond the bound. */
const mostNumbers = 2 * mostRuns;

function* transfersOf(runs: readonly Run[]): Generator<Transfer> {
  const fileBlocks = fileBytes / blockSize;
  for (let start = 0, end = 0; start < runs.length; start = end) {
    const { place } = runs[start]!;
    let stop = place;
    for (; end < runs.length; end += 1) {
      const run = runs[end]!;
      const last = run.place + run.blocks;
      const isNear = run.place - stop <= mostGapBlocks && last - place <= mostReadBytes / blockSize;
      const isSameFile = Math.floor(place / fileBlocks) === Math.floor(run.place / fileBlocks);
      if (end > start && !(isNear && isSameFile)) break;
      stop = Math.max(stop, last);
    }
    yield { place, blocks: stop - place, runs: runs.slice(start, end) };
  }
}
