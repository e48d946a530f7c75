import type { ObjectId, RecordChange, StoreId } from '@ashlar/core';
import { blockSize } from '../checksum.ts';
import { Damage, type ObjectDamage, type SnapshotDamage } from '../damage.ts';
import { runsOf, type BlockRun, type Piece } from '../format/map-leaf.ts';
import { spanOf } from './census.ts';
import { DamagedSlots } from './damaged-slots.ts';
import type { Findings, Problem } from './findings.ts';
import type { JournalView } from './journal-view.ts';
import type { PoolFiles } from './pool-files.ts';
import type { Named } from './record-check.ts';
import type { Owner } from './states.ts';
import { tallyPool } from './tally.ts';
import { damagedBlocks, wholePacked } from './verify-blocks.ts';

export type PoolReport = {
  readonly problems: readonly Problem[];
  /** Of all problems: only the first thousand are listed. */
  readonly problemCount: number;
  /** Of all problems, those that a repair mends. */
  readonly mendableCount: number;
  /** Bytes of each object that were read: what several states of it or clones share is read once, for one of them. */
  readonly read: readonly { readonly store: StoreId; readonly object: ObjectId; readonly readBytes: number }[];
  /** Of each object what cannot be read as it was written, what the journal holds of it taken into account. */
  readonly damage: readonly ObjectDamage[];
  /** The same as snapshots have it: of those that are home each is the newest one of those that have the same. */
  readonly snapshotDamage: readonly SnapshotDamage[];
  /** Frames that the next start brings home. */
  readonly journalFrames: number;
};

/** Told as data is read: bytes of `totalBytes` allocated. */
export type CheckProgress = (doneBytes: number, totalBytes: number) => void;

/** Runs of blocks that are read at once. */
const readsAtOnce = 8;

/** What a check is asked for. */
export type CheckOptions = {
  readonly progress?: CheckProgress;
  readonly named?: Named;
  /** Its data was read, and gave this: only what leads to it is looked at. */
  readonly read?: Pick<PoolReport, 'read' | 'damage' | 'snapshotDamage'>;
};

/** What was found, and the changes to records that mend what can be: one commit. */
export type Checked = { readonly report: PoolReport; readonly changes: readonly RecordChange[] };

/** Reads and verifies everything that a pool keeps: records, maps, checksums, data, journal. Changes nothing. */
export async function checkFiles(pool: PoolFiles, journal: JournalView, options: CheckOptions): Promise<Checked> {
  return await new Check(pool, journal, options).run();
}

class Check {
  readonly #pool: PoolFiles;
  readonly #journal: JournalView;
  readonly #options: CheckOptions;
  readonly #damage: Damage;
  readonly #damagedSlots = new DamagedSlots();
  readonly #read = new Map<StoreId, Map<ObjectId, number>>();
  readonly #memory: readonly Uint8Array[];
  #doneBytes = 0;
  #totalBytes = 0;

  constructor(pool: PoolFiles, journal: JournalView, options: CheckOptions) {
    const { chunkSizeBytes } = pool.superblock;
    this.#pool = pool;
    this.#journal = journal;
    this.#options = options;
    this.#damage = new Damage(chunkSizeBytes);
    this.#memory = Array.from({ length: readsAtOnce }, () => pool.host.alignedBuffer(chunkSizeBytes));
  }

  async run(): Promise<Checked> {
    const { read, named } = this.#options;
    // Without the pool's record it is not known where the checksums are.
    const isRead = read !== undefined || this.#pool.record === undefined;
    const { findings, changes } = await tallyPool(this.#pool, this.#journal, {
      named,
      verify: isRead ? undefined : (owner, pieces) => this.#verifyAll(owner, pieces),
      begun: (slots) => (this.#totalBytes = slots * this.#pool.superblock.chunkSizeBytes),
    });
    const snapshotDamage = await this.#damagedSlots.attribute(this.#pool, this.#damage);
    const journalFrames = this.#checkJournal(findings);
    const report = {
      problems: findings.listed,
      problemCount: findings.count,
      mendableCount: findings.mendable,
      read: [...this.#read].flatMap(([store, objects]) =>
        [...objects].map(([object, readBytes]) => ({ store, object, readBytes })),
      ),
      damage: this.#damage.found(),
      snapshotDamage: [...snapshotDamage, ...this.#damage.foundInSnapshots()],
      journalFrames,
      ...read,
    };
    return { report, changes };
  }

  async #verifyAll(owner: Owner, pieces: readonly Piece[]): Promise<void> {
    const { blocksEach } = this.#pool;
    const runs = pieces.flatMap((piece) => (piece.packed > 0 ? [] : [...runsOf(piece, blocksEach)]));
    await together(runs, (run, place) => this.#verify(owner, run, place));
    const packed = pieces.filter((piece) => piece.packed > 0);
    await together(packed, (piece, place) => this.#verifyPacked(owner, piece, place));
  }

  async #verify(owner: Owner, run: BlockRun, place: number): Promise<void> {
    const memory = this.#memory[place] ?? new Uint8Array(0);
    for (const block of await damagedBlocks(this.#pool, run, memory)) this.#damagedSlots.add(run.slot, block);
    this.#haveRead(owner, run.blocks * blockSize);
  }

  /** What is compressed is damaged as a whole. */
  async #verifyPacked(owner: Owner, piece: Piece, place: number): Promise<void> {
    const memory = this.#memory[place] ?? new Uint8Array(0);
    if ((await wholePacked(this.#pool, piece, memory)) === undefined) {
      // Others may have more of it.
      for (let block = 0; block < this.#pool.blocksEach; block += 1) this.#damagedSlots.add(piece.slot, block);
    }
    this.#haveRead(owner, piece.packed * blockSize);
  }

  #haveRead({ store, object }: Owner, bytes: number): void {
    const objects = this.#read.get(store) ?? new Map<ObjectId, number>();
    this.#read.set(store, objects.set(object, (objects.get(object) ?? 0) + bytes));
    this.#doneBytes += bytes;
    this.#options.progress?.(this.#doneBytes, this.#totalBytes);
  }

  /** What is missing of the journal; and what it has, over what the maps have. Gives the frames that are good. */
  #checkJournal(findings: Findings): number {
    for (const { first, end } of this.#journal.holes()) {
      const sentence = `frames ${spanOf({ first, end })} of the journal are missing or damaged, which had been promised: what they wrote is lost`;
      findings.add('journal-hole', sentence, { first, end });
    }
    for (const number of this.#journal.mended()) {
      const sentence = `the header of frame ${number} of the journal is damaged: the next one repeats it, and nothing is lost`;
      findings.add('journal-header', sentence, { number }, 'start');
    }
    const { cutSegments } = this.#journal;
    if (cutSegments > 0) {
      const sentence = `${cutSegments} segments of the journal are shorter than they were made: the last writes may be missing`;
      findings.add('journal-cut', sentence, { segments: cutSegments });
    }
    const count = this.#damagedSlots.unlisted;
    if (count > 0) {
      findings.add('damage-unlisted', `${count} more blocks are damaged than those that are listed`, { count });
    }
    for (const { record, damaged } of this.#journal.taken()) this.#damage.add(record, damaged);
    return this.#journal.takenCount;
  }
}

/** As many at once as there is memory for, each in a place of its own. */
async function together<T>(all: readonly T[], work: (each: T, place: number) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += readsAtOnce) await Promise.all(all.slice(at, at + readsAtOnce).map(work));
}
