import { systemStore } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { maxFrameBytes, type JournalRecord } from '../format/journal-frame.ts';
import { RecordOverlay } from '../records/record-overlay.ts';
import { firstOf, historyOf } from '../journal-history.ts';
import { recordsOf } from '../journal-scan.ts';
import { damagedOf, lookAtJournal, type JournalLook } from '../recovery.ts';
import type { PoolFiles } from './pool-files.ts';

export type JournalFrame = {
  readonly number: number;
  /** The file, and where in it the frame begins. */
  readonly segment: string;
  readonly offset: number;
  readonly headerBytes: number;
  readonly dataBlocks: number;
  readonly checksum: number;
  readonly previous: number;
  /** Frames up to this number were durable when it was appended. */
  readonly durable: number;
  /** Whether a recovery takes it over. */
  readonly isTaken: boolean;
  /** Its own header is damaged, and what it said is known from the next one. */
  readonly isMended: boolean;
  readonly records: readonly JournalFrameRecord[];
};

export type JournalFrameRecord = {
  readonly record: JournalRecord;
  /** The indexes of its blocks that do not verify. */
  readonly damaged: readonly number[];
};

/** The journal behind the last checkpoint, as a recovery would find it. */
export class JournalView {
  readonly #look: JournalLook;
  readonly #files: readonly HostFile[];
  readonly #first: number;

  private constructor(look: JournalLook, files: readonly HostFile[], first: number) {
    this.#look = look;
    this.#files = files;
    this.#first = first;
  }

  static async open(pool: PoolFiles): Promise<JournalView> {
    const directory = `${pool.path}/journal`;
    const names = pool.host.stat(directory) === undefined ? [] : pool.host.list(directory);
    const files = names.map((name) => pool.host.open(`${directory}/${name}`, { readOnly: true }));
    const { poolId, chunkSizeBytes } = pool.superblock;
    const history = historyOf(pool.record);
    const source = { poolId, chunkSizeBytes, data: pool.data };
    const look = await lookAtJournal(source, files, history, pool.host.alignedBuffer(maxFrameBytes));
    return new JournalView(look, files, firstOf(history));
  }

  get durable(): number {
    return this.#look.durable;
  }

  /** Segments that are shorter than they were made. */
  get cutSegments(): number {
    return this.#look.cutSegments;
  }

  /** Frames that a recovery takes over. */
  get takenCount(): number {
    return this.#look.taken.length;
  }

  /** Numbers that no frame has though a later frame says that they were durable: [first, end). */
  holes(): { readonly first: number; readonly end: number }[] {
    const holes: { first: number; end: number }[] = [];
    let expected = this.#first;
    for (const { frame } of this.#look.found) {
      const { number } = frame;
      if (number > expected && expected <= this.durable)
        holes.push({ first: expected, end: Math.min(number, this.durable + 1) });
      expected = number + 1;
    }
    return holes;
  }

  /** Numbers of promised frames whose own header is damaged: what was in them is known from the next. */
  mended(): number[] {
    const numbers = this.#look.taken.flatMap(({ item }) => (item.behind === undefined ? [] : item.frame.number));
    return numbers.filter((number) => number <= this.durable);
  }

  /** Every frame that is there, those that a recovery leaves as well. */
  *frames(): Generator<JournalFrame> {
    const taken = new Map(this.#look.taken.map(({ item, damaged }) => [item, damaged]));
    for (const item of this.#look.found) {
      const { frame, file, offset } = item;
      const damaged = taken.get(item);
      yield {
        number: frame.number,
        segment: file.path,
        offset,
        headerBytes: frame.headerBytes,
        dataBlocks: frame.dataBlocks,
        checksum: frame.checksum,
        previous: frame.previous,
        durable: frame.durable,
        isTaken: damaged !== undefined,
        isMended: item.behind !== undefined,
        records: recordsOf(item).map((record, index) => ({
          record,
          damaged: damagedOf(record, index, damaged ?? new Set()),
        })),
      };
    }
  }

  /** What a recovery would take over, record by record. */
  *taken(): Generator<JournalFrameRecord> {
    for (const { item, damaged } of this.#look.taken) {
      for (const [index, record] of recordsOf(item).entries()) {
        yield { record, damaged: damagedOf(record, index, damaged) };
      }
    }
  }

  /** Changes to the records of the catalogue's store that are in the journal only. */
  catalogueChanges(): RecordOverlay {
    const overlay = new RecordOverlay();
    for (const { record } of this.taken()) {
      if (record.kind === 'batch' && record.store === systemStore) overlay.apply(record.changes);
    }
    return overlay;
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}
