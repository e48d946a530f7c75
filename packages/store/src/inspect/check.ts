import type { ObjectId, StoreId } from '@ashlar/core';
import { blockSize } from '../checksum.ts';
import { Damage, type ObjectDamage } from '../damage.ts';
import { blocksOf, entriesEach, readEntry, runsOf, type BlockRun, type ChunkEntry } from '../format/map-leaf.ts';
import { rootOf } from '../kept.ts';
import type { Page } from '../page-file.ts';
import { poolKey } from '../records/keys.ts';
import { checksumsEach } from '../slot-checksums.ts';
import { Census, type Run } from './census.ts';
import { checkEntry, checkShared } from './check-entry.ts';
import { DamagedSlots, type SnapshotDamage } from './damaged-slots.ts';
import { Findings, type Problem } from './findings.ts';
import type { JournalView } from './journal-view.ts';
import { walkTree, type Beside, type TreeVisitor } from './page-reader.ts';
import { checksumRootOf, type PoolFiles } from './pool-files.ts';
import { recordRows, type RecordRow } from './record-rows.ts';
import { besideOf, deadOf, nameOfOwner, statesOf, whereOf, type Dead, type Owner, type State } from './states.ts';
import { referrersOf } from './slot-view.ts';
import { damagedBlocks } from './verify-blocks.ts';

export type PoolReport = {
  readonly problems: readonly Problem[];
  /** Of all problems: only the first thousand are listed. */
  readonly problemCount: number;
  /** Bytes of each object that were read: what several states of it or clones share is read once, for one of them. */
  readonly read: readonly { readonly store: StoreId; readonly object: ObjectId; readonly readBytes: number }[];
  /** Of each object what cannot be read as it was written, what the journal holds of it taken into account. */
  readonly damage: readonly ObjectDamage[];
  /** The same as snapshots have it: each is the newest one of those that have the same. */
  readonly snapshotDamage: readonly SnapshotDamage[];
  /** Frames that the next start brings home. */
  readonly journalFrames: number;
};

/** Told as data is read: bytes of `totalBytes` allocated. */
export type CheckProgress = (doneBytes: number, totalBytes: number) => void;

/** Runs of blocks that are read at once. */
const readsAtOnce = 8;
/** Slots that are referred to more than once whose referrers are looked for. */
const mostShared = 100;

/** Kinds of records that are of a store, besides its own. */
const namedByStore: ReadonlySet<RecordRow['kind']> = new Set(['object', 'kept', 'snapshot', 'record']);

const emptyEntry: ChunkEntry = { pieces: [], zeroLow: 0, zeroHigh: 0 };

type Where = Readonly<Record<string, number>>;

/** Reads and verifies everything that a pool keeps: records, maps, checksums, data, journal. Changes nothing. */
export async function checkFiles(pool: PoolFiles, journal: JournalView, progress: CheckProgress): Promise<PoolReport> {
  return await new Check(pool, journal, progress).run();
}

class Check {
  readonly #pool: PoolFiles;
  readonly #journal: JournalView;
  readonly #progress: CheckProgress;
  readonly #findings = new Findings();
  readonly #slots: Census;
  readonly #pages: Census;
  readonly #damage: Damage;
  readonly #damagedSlots = new DamagedSlots();
  readonly #read = new Map<StoreId, Map<ObjectId, number>>();
  readonly #shared = new Set<number>();
  readonly #memory: readonly Uint8Array[];
  /** Some map cannot be read to its end: what nothing seems to refer to may be in there. */
  #isPartial = false;
  #doneBytes = 0;
  #totalBytes = 0;

  constructor(pool: PoolFiles, journal: JournalView, progress: CheckProgress) {
    const { chunkSizeBytes } = pool.superblock;
    this.#pool = pool;
    this.#journal = journal;
    this.#progress = progress;
    this.#slots = new Census(pool.data.end);
    this.#pages = new Census(pool.pages.end);
    this.#damage = new Damage(chunkSizeBytes);
    this.#memory = Array.from({ length: readsAtOnce }, () => pool.host.alignedBuffer(chunkSizeBytes));
  }

  async run(): Promise<PoolReport> {
    this.#checkRecords();
    this.#totalBytes = this.#slots.claimedCount * this.#pool.superblock.chunkSizeBytes;
    await this.#checkChecksums();
    for (const state of statesOf(this.#pool)) await this.#checkState(state);
    for (const dead of deadOf(this.#pool)) await this.#checkDead(dead);
    this.#count('slot', this.#slots);
    this.#count('page', this.#pages);
    await this.#tellShared();
    const snapshotDamage = await this.#damagedSlots.attribute(this.#pool, this.#damage);
    const journalFrames = this.#checkJournal();
    return {
      problems: this.#findings.listed,
      problemCount: this.#findings.count,
      read: [...this.#read].flatMap(([store, objects]) =>
        [...objects].map(([object, readBytes]) => ({ store, object, readBytes })),
      ),
      damage: this.#damage.found(),
      snapshotDamage,
      journalFrames,
    };
  }

  /** The checksum of each record, and what must be there and is not. */
  #checkRecords(): void {
    const stores = new Set<StoreId>();
    const named = new Set<StoreId>();
    for (const row of recordRows(this.#pool.records)) {
      if (row.value === undefined) this.#tellDamagedRecord(row);
      const [first = 0] = row.numbers;
      if (row.kind === 'store') stores.add(first);
      else if (namedByStore.has(row.kind)) named.add(first);
      else if (row.kind === 'slots' || row.kind === 'pages') this.#takeBitmap(row, first);
      else if (row.kind === 'unknown') {
        this.#findings.add('record-unknown', `the database has a record that no Ashlar wrote: ${nameOf(row.key)}`);
      }
    }
    for (const store of named) {
      if (stores.has(store)) continue;
      this.#findings.add('record-missing', `store ${store} has objects or records, and no record of its own`, {
        store,
      });
    }
    if (this.#pool.record !== undefined) return;
    this.#isPartial = true;
    if (this.#pool.records.get(poolKey) !== undefined) return;
    this.#findings.add('record-missing', "the pool's own record is missing: neither data nor journal can be verified");
  }

  #tellDamagedRecord({ kind, key, numbers }: RecordRow): void {
    const number = numbers.length === 0 ? '' : ` ${numbers.join('/')}`;
    const sentence = `the record ${kind}${number} of the database (${nameOf(key)}) does not fit its checksum`;
    const [first, second] = numbers;
    this.#findings.add('record-damaged', sentence, {
      ...(first === undefined ? {} : { first }),
      ...(second === undefined ? {} : { second }),
    });
    // Without its record it is not known what a store was cloned from.
    if (kind === 'object' || kind === 'kept' || kind === 'dead' || kind === 'store') this.#isPartial = true;
  }

  #takeBitmap({ kind, value }: RecordRow, index: number): void {
    const census = kind === 'slots' ? this.#slots : this.#pages;
    if (value === undefined) census.lose(index);
    else if (!census.claim(index, value as Uint8Array)) {
      const sentence = `${kind} are on record as in use that the files have no place for (bitmap ${index})`;
      this.#findings.add('slot-outside', sentence, { index });
    }
  }

  /** Every page of the table of checksums is there and whole. */
  async #checkChecksums(): Promise<void> {
    const { blocksEach } = this.#pool;
    await walkTree(this.#pool.pages, checksumRootOf(this.#pool), {
      met: ({ page }) => this.#meet(page, 'the table of checksums'),
      leaf: () => undefined,
      damaged: ({ page }, first, end) => {
        this.#isPartial ||= end - first > 1;
        const [slot, endSlot] = [first, end].map((leaf) => Math.floor((leaf * checksumsEach) / blocksEach)) as [
          number,
          number,
        ];
        const sentence = `page ${page} of the checksums is missing or damaged: blocks of slots ${slot} to ${endSlot - 1} cannot be verified`;
        this.#findings.add('checksum-page-damaged', sentence, { page, slot, endSlot });
      },
    });
  }

  /** Reads and verifies what a state has and the one in front of it has not. */
  async #checkState({ record, before, ...owner }: State): Promise<void> {
    const changed = await this.#walkMap(owner, record, besideOf(before));
    if (changed === undefined || before === 'unknown') return;
    const counted = (before?.blocks ?? 0) + changed;
    if (counted === record.blocks) return;
    const sentence = `${nameOfOwner(owner)} has ${counted} blocks in its map and ${record.blocks} on record`;
    this.#findings.add('count-wrong', sentence, { ...whereOf(owner), counted, onRecord: record.blocks });
  }

  /** Gives how many blocks more there are than in the state in front of it, nothing where some of either cannot be read. */
  async #walkMap(owner: Owner, record: State['record'], before: Beside): Promise<number | undefined> {
    let changed: number | undefined = 0;
    const visitor: TreeVisitor = {
      met: ({ page }) => {
        const isFirst = this.#meet(page, `the map of ${nameOfOwner(owner)}`);
        if (!isFirst) changed = undefined;
        return isFirst;
      },
      leaf: async (index, page, beside) => {
        const blocks = await this.#checkLeaf(owner, index, page, beside, record.sizeBytes);
        changed = changed === undefined || blocks === undefined ? undefined : changed + blocks;
      },
      gone: (beside) => {
        changed = changed === undefined || beside === 'unknown' ? undefined : changed - blocksIn(beside);
      },
      damaged: ({ page }, first, end) => {
        changed = undefined;
        this.#isPartial = true;
        this.#tellDamagedPage(nameOfOwner(owner), page, first, end, whereOf(owner));
      },
    };
    await walkTree(this.#pool.pages, rootOf(record), visitor, before);
    return changed;
  }

  /** Meets what a dead map has still to free. */
  async #checkDead({ record, behind }: Dead): Promise<void> {
    const { object, store, floor, cursor } = record;
    const by = `a map that is being deleted, of object ${object} of store ${store}`;
    const visitor: TreeVisitor = {
      met: ({ page, birth }, _, end) => birth > floor && end > cursor && this.#meet(page, by),
      leaf: (index, { view }, beside) => {
        if (beside === 'unknown') return;
        for (let at = 0; at < entriesEach; at += 1) {
          const kept = beside === undefined ? [] : readEntry(beside.view, at).pieces;
          for (const { slot, birth } of readEntry(view, at).pieces) {
            if (birth <= floor || kept.some((piece) => piece.slot === slot)) continue;
            this.#meetSlot(by, index * entriesEach + at, slot, { store, object });
          }
        }
      },
      damaged: ({ page }, first, end) => {
        this.#isPartial = true;
        this.#tellDamagedPage(by, page, first, end, { store, object });
      },
    };
    await walkTree(this.#pool.pages, rootOf(record), visitor, behind);
  }

  #tellDamagedPage(name: string, page: number, first: number, end: number, where: Where): void {
    const bytesEach = entriesEach * this.#pool.superblock.chunkSizeBytes;
    const offset = first * bytesEach;
    const length = (end - first) * bytesEach;
    const sentence = `page ${page} of the map of ${name} is missing or damaged: where its bytes ${offset} to ${offset + length} are is not known`;
    this.#findings.add('page-damaged', sentence, { page, ...where, offset, length });
  }

  /** Counts a page that is referred to; false where it was before. */
  #meet(page: number, by: string): boolean {
    if (this.#pages.see(page) !== 'again') return true;
    this.#findings.add('page-shared', `page ${page} is referred to twice, the second time by ${by}`, { page });
    return false;
  }

  /** Gives how many blocks more the leaf has than the one in front of it, nothing where that is not known. */
  async #checkLeaf(
    owner: Owner,
    index: number,
    { view }: Page,
    beside: Page | 'unknown' | undefined,
    sizeBytes: number,
  ): Promise<number | undefined> {
    let blocks = 0;
    const runs: BlockRun[] = [];
    for (let at = 0; at < entriesEach; at += 1) {
      const entry = readEntry(view, at);
      const chunk = index * entriesEach + at;
      this.#checkEntry(owner, chunk, entry, sizeBytes);
      blocks += blocksOf(entry);
      if (beside === 'unknown') continue;
      const before = beside === undefined ? emptyEntry : readEntry(beside.view, at);
      blocks -= blocksOf(before);
      const wrong = checkShared(entry, before);
      if (wrong !== undefined) this.#tellEntry(owner, chunk, wrong);
      const own = entry.pieces.filter(({ slot }) => before.pieces.every((piece) => piece.slot !== slot));
      for (const piece of own) {
        this.#meetSlot(nameOfOwner(owner), chunk, piece.slot, whereOf(owner));
        // Without the pool's record it is not known where the checksums are.
        if (this.#pool.record !== undefined) runs.push(...runsOf(piece, this.#pool.blocksEach));
      }
    }
    for (let at = 0; at < runs.length; at += readsAtOnce) {
      await Promise.all(runs.slice(at, at + readsAtOnce).map((run, place) => this.#verify(owner, run, place)));
    }
    return beside === 'unknown' ? undefined : blocks;
  }

  #meetSlot(by: string, chunk: number, slot: number, where: Where): void {
    const met = this.#slots.see(slot);
    if (met === 'again' && this.#shared.size < mostShared) this.#shared.add(slot);
    else if (met === 'again') {
      const sentence = `slot ${slot} is referred to twice, the second time by chunk ${chunk} of ${by}`;
      this.#findings.add('slot-shared', sentence, { slot });
    } else if (met === 'outside') {
      const sentence = `chunk ${chunk} of ${by} is said to lie in slot ${slot}, which no data file has`;
      this.#findings.add('slot-outside', sentence, { ...where, chunk, slot });
    }
  }

  #checkEntry(owner: Owner, chunk: number, entry: ChunkEntry, sizeBytes: number): void {
    const { chunkSizeBytes } = this.#pool.superblock;
    const inside = Math.max(
      0,
      Math.min(this.#pool.blocksEach, Math.ceil((sizeBytes - chunk * chunkSizeBytes) / blockSize)),
    );
    const wrong = checkEntry(entry, inside);
    if (wrong !== undefined) this.#tellEntry(owner, chunk, wrong);
  }

  #tellEntry(owner: Owner, chunk: number, wrong: string): void {
    this.#findings.add('entry-wrong', `chunk ${chunk} of ${nameOfOwner(owner)} ${wrong}`, { ...whereOf(owner), chunk });
  }

  async #verify({ store, object }: Owner, run: BlockRun, place: number): Promise<void> {
    const memory = this.#memory[place] ?? new Uint8Array(0);
    for (const block of await damagedBlocks(this.#pool, run, memory)) this.#damagedSlots.add(run.slot, block);
    const bytes = run.blocks * blockSize;
    const objects = this.#read.get(store) ?? new Map<ObjectId, number>();
    this.#read.set(store, objects.set(object, (objects.get(object) ?? 0) + bytes));
    this.#doneBytes += bytes;
    this.#progress(this.#doneBytes, this.#totalBytes);
  }

  /** What is in use and referred to by nothing, and the other way round. */
  #count(what: 'slot' | 'page', census: Census): void {
    for (const run of census.unclaimed()) {
      const sentence = `${what}s ${spanOf(run)} are referred to and on record as free: they would be written over`;
      this.#findings.add(`${what}-not-claimed`, sentence, { first: run.first, end: run.end });
    }
    // What a damaged page refers to is not known, and neither is then what nothing refers to.
    if (this.#isPartial) return;
    for (const run of census.leaked()) {
      const sentence = `${what}s ${spanOf(run)} are in use on record and referred to by nothing: their room is lost`;
      this.#findings.add(`${what}-leaked`, sentence, { first: run.first, end: run.end });
    }
  }

  async #tellShared(): Promise<void> {
    if (this.#shared.size === 0) return;
    for (const [slot, referrers] of await referrersOf(this.#pool, this.#shared)) {
      const places = referrers.map(({ chunk, ...by }) => `chunk ${chunk} of ${nameOfOwner(by)}`);
      const sentence = `slot ${slot} is referred to ${referrers.length} times: ${places.join(', ')}`;
      this.#findings.add('slot-shared', sentence, { slot, count: referrers.length });
    }
  }

  /** What is missing of the journal; and what it has, over what the maps have. Gives the frames that are good. */
  #checkJournal(): number {
    for (const { first, end } of this.#journal.holes()) {
      const sentence = `frames ${spanOf({ first, end })} of the journal are missing or damaged, which had been promised: what they wrote is lost`;
      this.#findings.add('journal-hole', sentence, { first, end });
    }
    for (const number of this.#journal.mended()) {
      const sentence = `the header of frame ${number} of the journal is damaged: the next one repeats it, and nothing is lost`;
      this.#findings.add('journal-header', sentence, { number });
    }
    const { cutSegments } = this.#journal;
    if (cutSegments > 0) {
      const sentence = `${cutSegments} segments of the journal are shorter than they were made: the last writes may be missing`;
      this.#findings.add('journal-cut', sentence, { segments: cutSegments });
    }
    const count = this.#damagedSlots.unlisted;
    if (count > 0) {
      this.#findings.add('damage-unlisted', `${count} more blocks are damaged than those that are listed`, { count });
    }
    for (const { record, damaged } of this.#journal.taken()) this.#damage.add(record, damaged);
    return this.#journal.takenCount;
  }
}

function blocksIn({ view }: Page): number {
  let blocks = 0;
  for (let at = 0; at < entriesEach; at += 1) blocks += blocksOf(readEntry(view, at));
  return blocks;
}

const spanOf = ({ first, end }: Run): string => (end === first + 1 ? String(first) : `${first} to ${end - 1}`);

const nameOf = (key: Uint8Array): string => `key ${Buffer.from(key).toString('hex')}`;
